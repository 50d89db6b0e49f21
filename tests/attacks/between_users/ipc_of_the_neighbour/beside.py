import ctypes, time

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
KEY, CREATE = 0x4B49, 0o1666
segment = libc.shmget(KEY, 4096, CREATE)
at = libc.shmat(segment, None, 0)
if at and at != ctypes.c_void_p(-1).value:
    ctypes.memmove(at, b"@SECRET@", 8)
queue = libc.msgget(KEY, CREATE)
semaphores = libc.semget(KEY, 1, CREATE)
with open("/dev/shm/private", "w") as file:
    file.write("@SECRET@")
rt = ctypes.CDLL("librt.so.1", use_errno=True)
mq = rt.mq_open(b"/private", 0o102, 0o666, None)
time.sleep(2)
print("RIGHT")
