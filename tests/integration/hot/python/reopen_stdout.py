with open("/dev/stdout", "w") as f:
    f.write("by its name\n")
print(open("/proc/self/fd/0").read())
