import sys
data = sys.stdin.buffer.read()
print(len(data), data[:10], sys.stdin.read() == "")
