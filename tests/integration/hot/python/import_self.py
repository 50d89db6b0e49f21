import main, sys
print(main.__name__, main is sys.modules["__main__"], main.__file__, main.__cached__)
