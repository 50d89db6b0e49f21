import glob, os

print("ATTACK-START", flush=True)
for process in glob.glob("/proc/[0-9]*") + glob.glob("/proc/[0-9]*/task/[0-9]*"):
    for name in ("environ", "cmdline", "maps", "mem", "stack", "syscall", "auxv", "io"):
        try:
            with open(f"{process}/{name}", "rb") as file:
                print(process, name, file.read(65536)[:200])
        except OSError:
            pass
    for name in ("cwd", "root", "exe", "fd/3", "fd/4", "root/tmp/private", "cwd/private"):
        try:
            with open(f"{process}/{name}", "rb") as file:
                print(process, name, file.read(4096))
        except OSError:
            pass
others = [int(p.rsplit("/", 1)[1]) for p in glob.glob("/proc/[0-9]*")]
own = {os.getpid(), os.getppid(), 1}
if not set(others) <= own:
    print("UNSAFE: sees", sorted(set(others) - own))
print("ATTACK-END")
