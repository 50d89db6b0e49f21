var depth = 0
fun deeper(): Int { depth++; return deeper() + 1 }

fun main() {
    try { deeper() } catch (e: StackOverflowError) { println(depth > 1000) }
}
