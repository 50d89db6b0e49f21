import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(0.2)
        os.write(1, b"too late\n")
        time.sleep(100)
    os._exit(0)
os.wait()
print("over")
