import os

print("ATTACK-START", flush=True)
home, shared = os.getcwd(), "/sandboxes/shared"
for folder in (home, shared):
    for name, to in (("mine", "/sandboxes/lion/private"), ("folder", "/sandboxes/lion/closed"), ("up", "../lion/private")):
        os.symlink(to, f"{folder}/{name}")
    try:
        os.link("/sandboxes/lion/private", f"{folder}/hard")
        if open(f"{folder}/hard").read():
            print("UNSAFE: reads by a hard link")
    except OSError as error:
        print(error.strerror)
for name in ("mine", "up", "folder/private"):
    for mode in ("r", "a"):
        try:
            print("UNSAFE:", open(name, mode).read(100))
        except OSError:
            pass
print("ATTACK-END")
