import atexit, threading, time
atexit.register(print, "last")
atexit.register(print, "first")
threading.Thread(target=lambda: (time.sleep(0.05), print("thread"))).start()
print("main")
