import sys
m = sys.modules["__main__"]
print(__name__, __file__, __package__, __spec__, __loader__.__class__, __builtins__.__name__, __doc__, __annotations__)
print(sorted(vars(m)))
