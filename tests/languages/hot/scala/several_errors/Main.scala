import a.Missing

object Main {
  def main(args: Array[String]): Unit = println(Beside("x"))
}
class Double2
