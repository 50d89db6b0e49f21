@Deprecated("old") fun old(unused: Int) = 1

fun main() {
    val never = 1
    var constant = 2
    val always: Any = "x"
    println(old(3))
    if (always is Any) println("always" as String)
    return
    println("unreachable")
}
