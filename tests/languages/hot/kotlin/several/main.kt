import a.b.deep
import a.b.Part as Piece

fun main() {
    println(beside(3) + deep() + Piece.name)
}
