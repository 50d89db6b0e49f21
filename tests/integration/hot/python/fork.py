import os
pid = os.fork()
if pid == 0:
    print("child", os.getppid() != 0)
    raise SystemExit(4)
print("parent", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
