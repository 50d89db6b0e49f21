import a.b._
import a.b.{Part => Piece}

object Main {
  def main(args: Array[String]): Unit = println(Beside(3) + deep + Piece.name)
}
