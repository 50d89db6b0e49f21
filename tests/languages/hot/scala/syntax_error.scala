object Main {
  def main(args: Array[String] = {
    println("Hello"
    val x = = 3
}}
