import os, tempfile
print(tempfile.gettempdir(), os.path.expanduser("~"))
with tempfile.NamedTemporaryFile() as f:
    print(os.path.dirname(f.name))
