import scala.language.experimental.macros
import scala.reflect.macros.blackbox.Context

object Macros {
  def hello: String = macro helloImpl
  def helloImpl(c: Context): c.Expr[String] = { import c.universe._; c.Expr[String](q""" "hello" """) }
}

object Main {
  def main(args: Array[String]): Unit = println(Macros.hello)
}
