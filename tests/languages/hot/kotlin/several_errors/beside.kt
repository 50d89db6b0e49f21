fun beside(x: Int) = x +
class Double2
private fun hidden() = 1
