import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
child = os.fork()
if child == 0:
    time.sleep(100)
print(libc.ptrace(16, child, 0, 0), os.WIFSTOPPED(os.waitpid(child, 0x40000000)[1]))
print(libc.ptrace(17, child, 0, 0), libc.ptrace(16, os.getppid(), 0, 0), ctypes.get_errno())
os.kill(child, 9)
