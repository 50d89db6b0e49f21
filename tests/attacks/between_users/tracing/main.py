import ctypes, os

libc = ctypes.CDLL(None, use_errno=True)
ATTACH, SEIZE = 16, 0x4206
READ, WRITE, PIDFD_OPEN, PIDFD_GETFD, KCMP, MADVISE = 310, 311, 434, 438, 312, 440
print("ATTACK-START", flush=True)
buffer = ctypes.create_string_buffer(64)
vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 64)
for pid in range(1, 3000):
    if pid == os.getpid():
        continue
    for request in (ATTACH, SEIZE):
        if libc.ptrace(request, pid, None, None) == 0:
            print("UNSAFE: traces", pid)
    for call in (READ, WRITE):
        if libc.syscall(call, pid, vector, 1, vector, 1, 0) >= 0:
            print("UNSAFE: reaches the memory of", pid)
    fd = libc.syscall(PIDFD_OPEN, pid, 0)
    if fd >= 0:
        for number in range(16):
            if libc.syscall(PIDFD_GETFD, fd, number, 0) >= 0:
                print("UNSAFE: took a descriptor of", pid)
        os.close(fd)
    if libc.syscall(KCMP, pid, os.getpid(), 0, 0, 0) >= 0:
        print("UNSAFE: compares itself to", pid)
print("ATTACK-END")
