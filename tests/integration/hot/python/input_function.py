name = input("name? ")
print("hello", name)
try:
    while True:
        input()
except EOFError as error:
    print(repr(error))
