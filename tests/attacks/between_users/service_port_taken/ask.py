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

print("RIGHT" if ask(b"who") == b"true service" else "WRONG: somebody else answered")
