import os, socket, time
print("ATTACK-START spy", flush=True)
for family, kind, address in ((socket.AF_UNIX, socket.SOCK_STREAM, "\0@NONCE@"), (socket.AF_UNIX, socket.SOCK_DGRAM, "\0@NONCE@-d"), (socket.AF_UNIX, socket.SOCK_STREAM, "/tmp/@NONCE@"),
                              (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 45679))):
    for _ in range(20):
        try:
            socket.socket(family, kind).connect(address)
            print("UNSAFE: reached", address)
        except OSError:
            pass
        time.sleep(0.01)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(20):
    try:
        u.sendto(b"hello", ("127.0.0.1", 45679))
    except OSError:
        pass
for table in ("/proc/net/unix", "/proc/net/tcp", "/proc/net/udp", "/proc/net/netlink", "/proc/net/arp", "/proc/net/route"):
    try:
        text = open(table).read()
    except OSError:
        continue
    if "@NONCE@" in text or "B26F" in text.replace(":B26F 00000000:0000 07", ""):
        print("UNSAFE:", table, "tells of the other")
print("ATTACK-END")
