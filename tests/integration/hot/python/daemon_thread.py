import threading, time
threading.Thread(target=lambda: time.sleep(100), daemon=True).start()
print("ended", threading.active_count(), threading.main_thread().name)
