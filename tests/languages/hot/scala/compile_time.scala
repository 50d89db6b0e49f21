import scala.reflect.runtime.universe._

object Main {
  case class Point(x: Int, y: Int)
  def main(args: Array[String]): Unit = {
    println(reify { Point(1, 2).x + 3 }.tree)
    println(typeOf[Map[String, List[Point]]])
  }
}
