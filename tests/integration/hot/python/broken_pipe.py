import os, subprocess, sys
child = subprocess.Popen(["true"], stdin=subprocess.PIPE)
child.wait()
try:
    child.stdin.write(b"x" * 100000)
    child.stdin.flush()
except BrokenPipeError as error:
    print(repr(error))
os.close(1)
