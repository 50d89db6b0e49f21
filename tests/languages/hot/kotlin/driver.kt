// Names of the driver that has compiled this, perhaps.
fun main() {
    println(Driver::class)
    println(KotlinDriver())
    println(org.jetbrains.kotlin.cli.jvm.K2JVMCompiler())
    println(Square(2.0))
}
