object Here { def main(args: Array[String]): Unit = println("here") }
object There extends App { println("there") }
