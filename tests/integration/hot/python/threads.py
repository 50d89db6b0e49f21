import threading
total = []
def work(n):
    total.append(n)
threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(total), threading.current_thread() is threading.main_thread(), threading.get_native_id() == __import__("os").getpid())
