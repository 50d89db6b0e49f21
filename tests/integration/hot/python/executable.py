import sys, sysconfig
print(sys.executable, sys.base_prefix, sys.prefix, sys.exec_prefix, sys.implementation.cache_tag, sys.pycache_prefix, sys._base_executable)
print(sysconfig.get_paths()["purelib"], sys.version, sys.platlibdir)
