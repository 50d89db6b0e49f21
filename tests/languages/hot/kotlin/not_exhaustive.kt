sealed interface Light
object Red : Light
object Green : Light
enum class Colour { RED, GREEN }

fun name(light: Light) = when (light) { Red -> "red" }
fun name(colour: Colour) = when (colour) { Colour.RED -> "red" }
fun number(x: Int): String { if (x > 0) return "positive" }

fun main() = println(name(Red) + name(Colour.RED) + number(1))
