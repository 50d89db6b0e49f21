class Alone(val name: String)
object Helper { def help = new Alone("nobody runs this") }
