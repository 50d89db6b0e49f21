import time
print("slept", flush=True)
time.sleep(100)
