import scala.nowhere.Missing
import java.util.Lost

class A extends B
class B extends A
class Twice
class Twice
trait Shape { def area: Double }
class Square extends Shape
final class Last
class Next extends Last

object Main {
  private[this] val secret = 1
  def same(x: Int) = x
  def same(y: Int) = y
  def main(args: Array[String]): Unit = {
    undeclared()
    val number: Int = "three"
    val fixed = 1
    fixed = 2
    List(1, 2).map(_.missing)
    implicitly[Ordering[Shape]]
    Main.secret.length
    for (x <- 5) println(x)
    new Shape
    f(1)(2)
  }
}
