"""What bench/run, bench/compare, bench/soak and bench/flame share. Python's standard library alone.

Nothing is timed in Python: times come from `kiln bench --json`, whose loops are C; what is here starts servers and peers,
reads /proc, writes requests, and says what the numbers are.
"""
