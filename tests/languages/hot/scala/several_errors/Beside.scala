object Beside { def apply(x: Int): Int = x + }
class Double2
