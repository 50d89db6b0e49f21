object Main extends App {
  for (line <- scala.io.Source.stdin.getLines()) println("got: " + line)
  sys.exit(7)
}
