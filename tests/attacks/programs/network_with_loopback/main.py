import fcntl, os, socket, struct
print("ATTACK-START", flush=True)
names = [n for _, n in socket.if_nameindex()]
print("INFO: interfaces", names)
known = {"lo", "tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0", "teql0"}
if set(names) - known:
    print("UNSAFE: interfaces", set(names) - known)
for address in ("127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", socket.gethostname()):
    try:
        with socket.create_connection((address, @CANARY_PORT@), timeout=0.5) as s:
            s.settimeout(0.5)
            print("UNSAFE: reached", address, s.recv(100))
    except OSError as e:
        print("INFO:", address, e)
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
d.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for where in (("192.0.2.1", 9), ("10.0.0.1", 53), ("169.254.169.254", 80), ("172.17.0.1", 80), ("255.255.255.255", 9), ("224.0.0.1", 9)):
    try:
        d.connect(where)
        print("UNSAFE: a route to", where, d.getsockname())
    except OSError as e:
        print("INFO:", where, e)
for name, request in (("SIOCSIFFLAGS", 0x8914), ("SIOCSIFADDR", 0x8916), ("SIOCADDRT", 0x890B), ("SIOCSIFMTU", 0x8922), ("SIOCBRADDBR", 0x89A0), ("SIOCSIFNAME", 0x8923)):
    try:
        fcntl.ioctl(d, request, struct.pack("16sHH12s12s", b"lo", 2, 0, b"", b""))
        print("UNSAFE:", name)
    except OSError as e:
        print("INFO:", name, e)
n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
n.settimeout(1)
for kind, what in ((16, "RTM_NEWLINK"), (20, "RTM_NEWADDR"), (24, "RTM_NEWROUTE"), (88, "RTM_NEWNSID")):
    body = struct.pack("BBBBI", 2, 8, 0, 0, 1) + bytes(8)
    n.send(struct.pack("IHHII", 16 + len(body), kind, 0x605, 1, 0) + body)
    reply = n.recv(4096)
    error = struct.unpack("i", reply[16:20])[0] if struct.unpack("H", reply[4:6])[0] == 2 else 0
    print(("INFO: " if error else "UNSAFE: ") + what, os.strerror(-error))
try:
    socket.getaddrinfo("example.com", 80)
    print("UNSAFE: names of the internet are known")
except OSError as e:
    print("INFO: resolver", e)
print("ATTACK-END")
