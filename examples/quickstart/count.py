"""Reads all of stdin and says how much it was."""
import sys

data = sys.stdin.buffer.read()
print(f"{len(data)} bytes, {data.count(10)} lines")
