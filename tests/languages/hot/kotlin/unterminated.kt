fun main() {
    println("never closed)
    /* nor is this
