import pdb
pdb.set_trace()
x = 41
print(x + 1)
