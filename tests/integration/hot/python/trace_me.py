import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
print(libc.ptrace(0, 0, 0, 0))
os.kill(os.getpid(), signal.SIGUSR1)
