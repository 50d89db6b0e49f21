fun main( {
    println("Hello"
    val x = = 3
}}
