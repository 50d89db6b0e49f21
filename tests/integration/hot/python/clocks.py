import time
print(time.process_time() < 5, time.time() > 1e9, time.tzname, time.timezone)
start = time.monotonic()
time.sleep(0.05)
print(0.04 < time.monotonic() - start < 5)
