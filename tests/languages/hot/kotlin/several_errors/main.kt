import a.Missing

fun main() {
    println(beside("x"))
}
class Double2
