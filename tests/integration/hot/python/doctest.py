def f():
    """
    >>> f()
    2
    """
    return 1

import doctest
print(doctest.testmod())
