import runpy, sys
open("other.py", "w").write("import sys\nprint(__name__, __file__, sys.argv)\n")
runpy.run_path("other.py", run_name="__main__")
