import os
print("ATTACK-START", flush=True)
seen = 0
for folder, _, names in os.walk("/proc/sys"):
    for name in names:
        path = os.path.join(folder, name)
        seen += 1
        try:
            with open(path, "rb") as f:
                old = f.read()
        except OSError:
            old = None
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            continue
        print("UNSAFE:", path, "opens for writing")
        if old:
            try:
                os.write(fd, old)
                print("UNSAFE:", path, "is written")
            except OSError:
                pass
        os.close(fd)
print("INFO:", seen, "settings looked at")
for path in ("/sys", "/sys/fs/cgroup", "/sys/kernel/debug", "/sys/kernel/security", "/sys/class/net", "/sys/devices"):
    try:
        if os.listdir(path):
            print("UNSAFE:", path, os.listdir(path)[:5])
    except OSError:
        pass
print("ATTACK-END")
