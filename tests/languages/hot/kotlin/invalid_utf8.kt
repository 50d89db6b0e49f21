fun main() {
    val x = "ÿşÃ"
    println(x.length)
    val é = 1
}
