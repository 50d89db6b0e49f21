import os
print(os.getppid(), os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid(), os.getcwd(), os.umask(0o22))
print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), len(os.sched_getaffinity(0)) == os.cpu_count())
print(open("/proc/self/oom_score_adj").read(), open("/proc/self/personality").read() if os.path.exists("/proc/self/personality") else "")
