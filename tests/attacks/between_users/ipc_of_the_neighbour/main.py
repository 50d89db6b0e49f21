import ctypes, os

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
print("ATTACK-START", flush=True)
KEY = 0x4B49
for name, call in (("shared memory", libc.shmget(KEY, 0, 0)), ("queue", libc.msgget(KEY, 0)), ("semaphores", libc.semget(KEY, 0, 0))):
    if call >= 0:
        print("UNSAFE: found", name)
for number in range(64):
    at = libc.shmat(number, None, 0o10000)
    if at and at != ctypes.c_void_p(-1).value:
        print("UNSAFE: attached", ctypes.string_at(at, 16))
for kind in ("shm", "msg", "sem"):
    try:
        if len(open(f"/proc/sysvipc/{kind}").readlines()) > 1:
            print("UNSAFE: lists", kind)
    except OSError:
        pass
if ctypes.CDLL("librt.so.1").mq_open(b"/private", 0) >= 0:
    print("UNSAFE: opened a message queue")
if os.path.exists("/dev/shm/private"):
    print("UNSAFE: sees /dev/shm")
print("ATTACK-END")
