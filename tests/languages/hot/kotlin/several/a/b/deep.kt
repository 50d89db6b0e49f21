package a.b

fun deep() = "deep "
object Part { val name: String = javaClass.name }
