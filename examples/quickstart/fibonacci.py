"""The hundredth Fibonacci number, which needs more than 64 bits."""

a, b = 0, 1
for _ in range(100):
    a, b = b, a + b
print(f"fibonacci(100) = {a}")
