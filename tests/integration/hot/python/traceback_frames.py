import sys, traceback
traceback.print_stack()
def deep(n):
    if n:
        deep(n - 1)
    else:
        traceback.print_stack(file=sys.stdout)
deep(3)
