import sys, threading
print(sys.gettrace(), sys.getprofile(), sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__, sys.unraisablehook)
print(sys.getrefcount(None) > 100, threading.stack_size(), sys.get_asyncgen_hooks(), sys.breakpointhook)
