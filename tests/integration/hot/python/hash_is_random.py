import sys, os
print(sys.flags.hash_randomization, sys.hash_info, os.environ.get("PYTHONHASHSEED"))
