import kotlin.nowhere.Missing
import java.util.Lost

open class A : B()
open class B : A()
class Twice
class Twice
interface Shape { fun area(): Double }
class Square : Shape
private class Hidden { private val secret = 1 }

fun same(x: Int) = x
fun same(y: Int) = y

fun main() {
    undeclared()
    val text: String = null
    val number: Int = "three"
    val length = (null as String?).length
    Hidden().secret
    const val late = 1
    val final = 1
    final = 2
    "a" + 1 - "b"
    listOf(1, 2).map { it.missing }
    for (x in 5) println(x)
    return 3
}
