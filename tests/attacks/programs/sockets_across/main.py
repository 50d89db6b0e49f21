import os, socket, time
print("ATTACK-START", flush=True)
a = socket.socket(socket.AF_UNIX); a.bind("\0@NONCE@"); a.listen()
d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.bind("\0@NONCE@-d")
p = socket.socket(socket.AF_UNIX); p.bind("/tmp/@NONCE@"); p.listen(); os.chmod("/tmp/@NONCE@", 0o777)
t = socket.socket(); t.bind(("127.0.0.1", 45679)); t.listen()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 45679))
for s in (a, d, p, t, u):
    s.setblocking(False)
end = time.monotonic() + 2.5
while time.monotonic() < end:
    for s in (a, p, t):
        try:
            s.accept()
            print("UNSAFE: somebody came to", s.getsockname())
        except OSError:
            pass
    for s in (d, u):
        try:
            print("UNSAFE: somebody sent", s.recv(100), s.getsockname())
        except OSError:
            pass
    time.sleep(0.02)
print("ATTACK-END")
