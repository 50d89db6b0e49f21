import resource, signal
print(resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ))
try:
    with open("big", "wb") as f:
        f.truncate(resource.getrlimit(resource.RLIMIT_FSIZE)[0] + 1)
except OSError as error:
    print(error.errno)
