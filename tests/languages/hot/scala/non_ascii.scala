package größe

case class Straße(länge: Int, `имя с пробелами`: String)

object Färbe extends Enumeration { val Grün, `rot und weiß` = Value }

object Main {
  def →(x: Int) = x
  def main(args: Array[String]): Unit = {
    println(Straße(3, "Übergröße 漢字 🎲"))
    println(πr)
  }
}
