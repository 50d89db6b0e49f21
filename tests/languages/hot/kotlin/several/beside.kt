@file:JvmName("Beside")
internal fun beside(x: Int) = "beside $x "
