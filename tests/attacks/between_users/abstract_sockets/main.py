import socket

print("ATTACK-START", flush=True)
with socket.socket(socket.AF_UNIX) as s:
    try:
        s.connect("\0private-@NONCE@")
        print("UNSAFE:", s.recv(64))
    except OSError as error:
        print(error.strerror)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    try:
        s.sendto(b"x", "\0box-@NONCE@")
        print("UNSAFE: sent")
    except OSError as error:
        print(error.strerror)
print("ATTACK-END")
