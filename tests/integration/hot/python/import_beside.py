import os
os.makedirs("pkg")
open("pkg/__init__.py", "w").write("name = __name__, __file__, __path__\n")
open("late.py", "w").write("x = 1\n")
import pkg
import importlib
importlib.invalidate_caches()
import late
print(pkg.name, late.__file__, late.__cached__, sorted(os.listdir(".")))
