import os

print("ATTACK-START", flush=True)
os.mkdir("many")
try:
    with open("big", "wb") as file:
        while True:
            file.write(bytes(1 << 20))
            file.flush()
except OSError as error:
    print(error.strerror)
try:
    for number in range(1 << 20):
        os.close(os.open(f"many/{number}", os.O_CREAT | os.O_WRONLY))
except OSError as error:
    print(error.strerror)
print("ATTACK-END", flush=True)
