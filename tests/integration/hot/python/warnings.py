import warnings
warnings.warn("look")
print("a" is "a", warnings.filters[:2])
