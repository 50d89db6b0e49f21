sealed class Shape
data class Square(val side: Double) : Shape()
data class Circle(val radius: Double) : Shape()

fun area(shape: Shape): Double = when (shape) {
    is Square -> shape.side * shape.side
    is Circle -> Math.PI * shape.radius * shape.radius
}

fun main() {
    val counts = mutableMapOf<String, Int>()
    generateSequence(::readLine).forEach { counts[it] = (counts[it] ?: 0) + 1 }
    val doubled = listOf(1, 2, 3).filter { it % 2 == 1 }.map { it * 2 }
    println("$doubled ${counts.size} ${listOf(Square(2.0), Circle(1.0)).sumOf(::area)}")
    try { error("sample") } catch (e: IllegalStateException) { println(e.message) }
}
