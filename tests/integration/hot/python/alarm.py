import signal, time
signal.signal(signal.SIGALRM, lambda *_: print("ring"))
print(signal.getitimer(signal.ITIMER_REAL))
signal.alarm(1)
time.sleep(1.5)
