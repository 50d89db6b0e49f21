import os, sys
fd = os.open("copy", os.O_CREAT | os.O_WRONLY)
os.dup2(fd, 1)
print("into the file")
sys.stdout.flush()
sys.stderr.write(open("copy").read())
