import os
print(sorted(os.environ.items()))
print(sorted(open("/proc/self/environ", "rb").read().split(b"\0")))
