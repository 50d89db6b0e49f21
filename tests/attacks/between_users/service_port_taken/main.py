import socket, time

def ask(word, patience=20):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", 7411), 2) as s:
                s.sendall(word)
                return s.recv(64)
        except OSError:
            time.sleep(0.05)
    return b"nobody"

print("ATTACK-START", flush=True)

def take(address, family=socket.AF_INET):
    s = socket.socket(family)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        s.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        s.bind((address, 7411))
        s.listen()
        return s
    except OSError:
        return None

taken = [take("127.0.0.1"), take("0.0.0.0")]
if any(taken):
    print("UNSAFE: has the port of a living service")
ask(b"die")
own, end = None, time.monotonic() + 3
while not own and time.monotonic() < end:
    own = take("127.0.0.1")
# Until this ends whoever asks is answered by it (docs/sessions.md says so); then it must be the service again.
time.sleep(0.5)
print("ATTACK-END")
