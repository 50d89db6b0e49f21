private fun beside(x: Long) = x
