object Main {
  def main(args: Array[String]): Unit = {
    println("""one
  two""".length)
  }
}
