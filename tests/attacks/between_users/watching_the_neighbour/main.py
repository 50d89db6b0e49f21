import ctypes, os, time

libc = ctypes.CDLL(None, use_errno=True)
print("ATTACK-START", flush=True)
watch = libc.inotify_init1(os.O_NONBLOCK)
if libc.inotify_add_watch(watch, b"/sandboxes/lion/closed", 0xFFF) >= 0:
    print("UNSAFE: watches a closed folder")
libc.inotify_add_watch(watch, b"/sandboxes/lion", 0xFFF)
if libc.fanotify_init(0, 0) >= 0:
    print("UNSAFE: watches by fanotify")
USER, PROCESS = 2, 0
lion = os.stat("/sandboxes/lion").st_uid
if libc.setpriority(USER, lion, 19) == 0:
    print("UNSAFE: has changed another's priority")
for pid in range(1, 1000):
    if pid != os.getpid() and libc.setpriority(PROCESS, pid, 19) == 0:
        print("UNSAFE: has changed the priority of", pid)
time.sleep(0.8)
try:
    print(os.read(watch, 65536))
except OSError:
    pass
for name in ("unix", "tcp", "packet", "netlink"):
    try:
        print(open(f"/proc/net/{name}").read()[:2000])
    except OSError:
        pass
print("ATTACK-END")
