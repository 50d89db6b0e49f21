import os
for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
    try:
        print(fd, os.readlink(f"/proc/self/fd/{fd}").split(":")[0], os.get_inheritable(fd), os.get_blocking(fd))
    except OSError as error:
        print(fd, error.strerror)
