import os
for number in (15, 9, 19):
    try:
        os.kill(os.getppid(), number)
        print("sent", number)
    except OSError as error:
        print(number, error.errno)
print(os.read(0, 10), os.getppid())
