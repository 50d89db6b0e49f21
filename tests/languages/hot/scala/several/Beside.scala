object Beside { def apply(x: Int) = s"beside $x " }
