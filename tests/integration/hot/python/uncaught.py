def f(n):
    return g(n) + 1

def g(n):
    return 1 / n

f(0)
