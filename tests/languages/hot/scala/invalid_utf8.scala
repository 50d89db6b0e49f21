object Main {
  def main(args: Array[String]): Unit = {
    val x = "ÿşÃ"
    println(x.length)
  }
}
