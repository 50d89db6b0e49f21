import os, threading, time, ctypes
def work():
    time.sleep(0.2)
    os.write(1, b"still here\n")
    os._exit(6)
threading.Thread(target=work).start()
ctypes.CDLL(None).pthread_exit(None)
