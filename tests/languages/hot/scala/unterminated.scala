object Main {
  val text = "never closed
  /* nor is this
