import os
import unittest

class T(unittest.TestCase):
    def test_good(self):
        self.assertEqual(1, 1)

    def test_bad(self):
        self.assertEqual(1, 2, "differs")

unittest.main(verbosity=0, exit=False, testRunner=unittest.TextTestRunner(stream=open("log", "w")))
print([line for line in open("log").read().splitlines() if "Ran" not in line])
os.remove("log")
