import os, signal, time
pid = os.fork()
if pid == 0:
    time.sleep(0.3)
    os.kill(os.getppid(), signal.SIGCONT)
    os._exit(0)
os.kill(os.getpid(), signal.SIGSTOP)
print("went on", os.waitpid(pid, 0)[1])
