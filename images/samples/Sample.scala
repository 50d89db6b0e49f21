import scala.collection.mutable
import scala.io.StdIn

sealed trait Shape
case class Square(side: Double) extends Shape
case class Circle(radius: Double) extends Shape

object Sample {
  def area(shape: Shape): Double = shape match {
    case Square(side)   => side * side
    case Circle(radius) => math.Pi * radius * radius
  }

  def main(args: Array[String]): Unit = {
    val counts = mutable.Map[String, Int]().withDefaultValue(0)
    for (line <- Iterator.continually(StdIn.readLine()).takeWhile(_ != null)) counts(line) += 1
    val doubled = List(1, 2, 3).filter(_ % 2 == 1).map(_ * 2)
    println(s"$doubled ${counts.size} ${List(Square(2), Circle(1)).map(area).sum}")
    try throw new IllegalStateException("sample") catch { case e: IllegalStateException => println(e.getMessage) }
  }
}
