import random
print(random.name)
