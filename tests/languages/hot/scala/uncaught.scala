class Own(cause: Throwable) extends Exception("mine", cause)

object Main {
  def fails(n: Int): Int = if (n == 0) "x".toInt else fails(n - 1) + 1
  def main(args: Array[String]): Unit =
    try fails(3) catch { case e: NumberFormatException => throw new Own(e) }
}
