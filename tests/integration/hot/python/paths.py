import sys
print(sys.path, sys.path[0] == "/sandbox", sys.path_hooks.__len__(), sorted(sys.path_importer_cache))
