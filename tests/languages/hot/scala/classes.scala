package shop

import scala.collection.mutable
import scala.util.Try

class Cents(val amount: Long) extends AnyVal with Ordered[Cents] {
  def compare(that: Cents) = amount compare that.amount
  def +(that: Cents) = new Cents(amount + that.amount)
  override def toString = s"$amount c"
}

sealed abstract class Item(val price: Cents)
case class Book(cost: Cents, pages: Int) extends Item(cost)
case class Pen(cost: Cents = new Cents(3)) extends Item(cost)
case object Nothing extends Item(new Cents(0))

trait Named { def name: String = getClass.getSimpleName }
trait Loud extends Named { abstract override def name = super.name.toUpperCase }
abstract class Counter { type Part; val parts: List[Part]; lazy val count = { println("once"); parts.size } }

class Till extends Counter with Named with Loud {
  type Part = Item
  val parts = List(Nothing, Pen(), Book(new Cents(9), 100))
  def apply(i: Int) = parts(i)
  def update(i: Int, x: Item) = println(s"$i := $x")
}

object Even { def unapply(x: Int): Option[Int] = if (x % 2 == 0) Some(x / 2) else None }

object Main extends {
  val early = 1
} with Named {
  implicit class Powers(val x: Int) extends AnyVal { def **(n: Int) = Seq.fill(n)(x).product }
  implicit val order: Ordering[Item] = Ordering.by(_.price.amount)

  def describe(item: Item) = item match {
    case Book(_, pages) if pages > 10 => s"book of $pages"
    case pen @ Pen(cost)              => f"$pen ${cost.amount}%03d"
    case other                        => other.toString
  }

  def main(args: Array[String]): Unit = {
    val till = new Till
    till(1) = Pen(new Cents(4))
    println(till.name + till.count + till.count + early)
    println(till.parts.sorted.map(describe) -> till.parts.map(_.price).reduce(_ + _))
    println((1 to 5).collect { case Even(half) => half ** 3 }, 7 match { case Even(_) => "even"; case _ => "odd" })
    val found = for { x <- 1 to 3; y <- List('a', 'b') if x != 2; z = s"$x$y" } yield z
    println(found, mutable.Map("b" -> 1, "a" -> 2).toSeq.sorted, Try("x".toInt).isFailure)
    def curried[T <: AnyRef : Ordering](xs: T*)(f: (T, T) => T)(implicit tag: reflect.ClassTag[T]) = (xs.sorted reduce f, tag)
    println(curried("b", "a")(_ + _))
    val partial: PartialFunction[Any, String] = { case s: String => s; case (a, b) => s"$a,$b" }
    println(List(1, "x", (2, 3)).collect(partial), 'symbol, <a b="c">{early}</a>)
    println(new Named { }.getClass.getName, Stream.from(1).map(_ * 2).take(3).toList, classOf[Till].getInterfaces.toList)
  }
}
