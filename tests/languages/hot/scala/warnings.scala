object Main {
  sealed trait Light
  case object Red extends Light
  case object Green extends Light
  @deprecated("old", "1") def old(x: Int) = x
  def name(light: Light) = light match { case Red => "red" }
  def procedure { println("procedure") }
  def main(args: Array[String]): Unit = {
    println(old(3) + name(Red))
    List(1) match { case x: List[String] => println("erased") }
    1
    procedure
    import scala.language.existentials
    println("x" == 1)
    def reflective(x: { def close(): Unit }) = x.close()
  }
}
