import subprocess, sys
if len(sys.argv) == 1:
    print(subprocess.run([sys.executable, "-c", "import sys; print(sys.argv, sys.path[0])"], capture_output=True, text=True))
    print(subprocess.run([sys.executable, __file__, "x"], capture_output=True, text=True))
else:
    print(sys.argv, __name__)
