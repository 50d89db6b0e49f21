import multiprocessing as mp, sys

def tell(queue):
    queue.put((__name__, sys.argv, sys.path[0]))

print("module", __name__)
if __name__ == "__main__":
    context = mp.get_context("spawn")
    queue = context.SimpleQueue()
    child = context.Process(target=tell, args=(queue,))
    child.start()
    print(queue.get())
    child.join()
    print(child.exitcode)
