fun main() {
    val text = """one
    two"""
    println(text.length)
}
