package größe.пакет

enum class Färbe { GRÜN, `rot und weiß` }

data class Straße(val länge: Int, val `имя с пробелами`: String)

fun main() {
    println(Straße(3, "Übergröße 漢字 🎲"))
    println(Färbe.values().joinToString())
    System.err.println("на ошибку: ñ")
    val π = 3.14
    println(πr)
}
