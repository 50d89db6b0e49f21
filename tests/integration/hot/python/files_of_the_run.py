import os
print(sorted(os.listdir(".")), os.stat("main.py").st_size, oct(os.stat("main.py").st_mode), open("data/table.txt").read())
print(oct(os.stat(".").st_mode), os.access(".", os.W_OK), os.path.realpath(__file__))
