import signal
for number in sorted(signal.valid_signals()):
    print(number, signal.getsignal(number))
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), signal.sigpending())
for line in open("/proc/self/status"):
    if line.startswith(("Sig", "Shd", "TracerPid", "Seccomp", "NoNewPrivs", "Cap", "Threads", "Uid", "Gid", "Groups", "Umask")):
        if not line.startswith("SigQ"):
            print(line, end="")
