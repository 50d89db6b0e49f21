import os, sys
for i in range(50):
    print("out", i)
    print("err", i, file=sys.stderr)
    os.write(1, b"raw\n")
sys.stdout.write("no newline")
