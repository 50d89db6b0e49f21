fun of(list: List<Int>) = 1
fun of(list: List<String>) = 2

class Bean {
    val name = "x"
    fun getName() = "y"
}

fun main() = println(of(listOf(1)))
