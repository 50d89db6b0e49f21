import sys
print(sys.flags, sys.dont_write_bytecode, sys.warnoptions, sys._xoptions, sys.getswitchinterval(), sys.getrecursionlimit())
