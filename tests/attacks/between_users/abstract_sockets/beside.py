import socket

listener = socket.socket(socket.AF_UNIX)
listener.bind("\0private-@NONCE@")
listener.listen()
listener.settimeout(2.5)
box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
box.bind("\0box-@NONCE@")
box.setblocking(False)
own = socket.socket(socket.AF_UNIX)
own.connect("\0private-@NONCE@")
listener.accept()[0].close()
try:
    peer, _ = listener.accept()
    peer.sendall(b"@SECRET@")
except OSError:
    pass
try:
    print("WRONG: got", box.recv(64))
except OSError:
    print("RIGHT")
