import java.util.concurrent.*
import kotlin.concurrent.thread

fun main() {
    val pool = Executors.newFixedThreadPool(4)
    println((1..8).map { pool.submit(Callable { (1..it).sum() }) }.sumOf { it.get() })
    pool.shutdown()
    val lock = Any()
    var n = 0
    (1..4).map { thread { repeat(1000) { synchronized(lock) { n++ } } } }.forEach { it.join() }
    println(n)
    thread(name = "last") { Thread.sleep(50); throw IllegalStateException("in a thread") }
}
