import ctypes, os, select, struct, time
print("ATTACK-START", flush=True)
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(os.O_NONBLOCK)
watched = {}
for path in ("/usr/bin/factor", "/usr/bin", "/usr/share", "/etc", "/etc/hosts", "/usr/bin/tac", "/tmp", "/dev", "/dev/shm", "/", "/usr", "/home/sandbox", "/dev/null", *("/proc/self/ns/" + name for name in ("time", "user", "cgroup", "mnt", "pid", "uts", "ipc", "net"))):
    w = libc.inotify_add_watch(fd, path.encode(), 0xFFF)
    watched[w] = path
print("INFO:", len(watched), "watches")
own = (b"python", b"main")
end = time.monotonic() + 3
while time.monotonic() < end:
    if not select.select([fd], [], [], 0.1)[0]:
        continue
    data = os.read(fd, 65536)
    while data:
        w, mask, _, size = struct.unpack("iIII", data[:16])
        name = data[16:16 + size].rstrip(b"\0")
        data = data[16 + size:]
        if not mask & 0x8000:
            print("UNSAFE:", watched.get(w), name, hex(mask))
print("ATTACK-END")
