import os
for fd in range(3, 10):
    try:
        print(fd, os.read(fd, 1))
    except OSError as error:
        print(fd, error.errno)
