class Alone(val name: String)

fun helper() = Alone("nobody runs this")
