import kotlin.coroutines.*

inline fun <reified T> Iterable<*>.only(): List<T> = filterIsInstance<T>()
tailrec fun gcd(a: Int, b: Int): Int = if (b == 0) a else gcd(b, a % b)
infix fun Int.pow(n: Int): Int = (1..n).fold(1) { x, _ -> x * this }
fun <T : Comparable<T>> List<T>.isSorted() = zipWithNext().all { (a, b) -> a <= b }
fun sum(vararg xs: Int, by: Int = 1) = xs.sum() * by
fun interface Check { fun holds(x: Int): Boolean }
typealias Step = suspend (Int) -> Int
operator fun String.invoke(n: Int) = repeat(n)

inline fun early(xs: List<Int>, f: (Int) -> Unit) = xs.forEach(f)
fun first(xs: List<Int>): Int { early(xs) { if (it > 1) return it }; return -1 }

suspend fun twice(step: Step, x: Int) = step(step(x))

suspend fun main() {
    println(listOf(1, "a", 2.0, "b").only<String>())
    println("${gcd(48, 18)} ${2 pow 10} ${listOf(1, 3, 2).isSorted()} ${sum(1, 2, 3, by = 2)} ${"ab"(3)} ${first(listOf(1, 2))}")
    println(sequence { var x = 1; while (true) { yield(x); x *= 3 } }.takeWhile { it < 1000 }.toList())
    println(twice({ it + suspendCoroutine { k -> k.resume(5) } }, 1))
    println(Check { it % 2 == 0 }.holds(3))
    outer@ for (i in 1..3) for (j in 3 downTo 1 step 2) { if (j == i) continue@outer; print("$i$j ") }
    val (a, b) = Pair(1, buildString { append(2); append('c') })
    println(a to b)
    println(runCatching { error("caught") }.exceptionOrNull()?.stackTrace?.first())
    var counter = 0
    val add = { n: Int -> counter += n }
    repeat(3, add)
    println(counter.also(::println).let { x -> fun(y: Int): Int = x + y }(4))
}
