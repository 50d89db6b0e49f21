import inspect, linecache, sys

def f():
    return 1  # the line

print(inspect.getsource(f), inspect.getsourcefile(f), inspect.getmodule(f))
print(inspect.getsource(sys.modules["__main__"])[:20])
print(linecache.getline(__file__, 4), f.__code__.co_filename, f.__code__.co_firstlineno)
frame = inspect.currentframe()
print(frame.f_back, frame.f_code.co_name, frame.f_globals is globals(), len(inspect.stack()))
