class Own(cause: Throwable) : Exception("mine", cause)

fun fails(n: Int): Int = if (n == 0) "x".toInt() else fails(n - 1)

fun main() {
    try { fails(3) } catch (e: NumberFormatException) { throw Own(e) }
}
