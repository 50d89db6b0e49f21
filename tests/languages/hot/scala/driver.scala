// Names of the driver that has compiled this, perhaps.
object Main {
  def main(args: Array[String]): Unit = {
    println(classOf[Driver])
    println(classOf[ScalaDriver])
    println(classOf[scala.tools.nsc.Main])
    println(Square(2))
  }
}
