object Here { @JvmStatic fun main(args: Array<String>) = println("here") }
class There { companion object { @JvmStatic fun main(args: Array<String>) = println("there") } }
