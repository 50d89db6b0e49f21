import ctypes, os, resource, signal

libc = ctypes.CDLL(None, use_errno=True)
print("ATTACK-START", flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
own = os.getpid()
hit = set()
for pid in range(1, 3000):
    if pid == own:
        continue
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, 0):
        try:
            os.kill(pid, number)
            hit.add(pid)
        except OSError:
            pass
    try:
        fd = os.pidfd_open(pid)
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        hit.add(pid)
    except OSError:
        pass
    if libc.syscall(129, pid, signal.SIGKILL, None) == 0 or libc.syscall(234, pid, pid, signal.SIGKILL) == 0:
        hit.add(pid)
    try:
        resource.prlimit(pid, resource.RLIMIT_CPU, (0, 0))
        hit.add(pid)
    except (OSError, ValueError):
        pass
if hit:
    print("UNSAFE: reached", sorted(hit))
try:
    os.kill(-1, signal.SIGTERM)
except OSError:
    pass
print("ATTACK-END")
