package shop

import java.util.TreeMap
import kotlin.properties.Delegates
import kotlin.reflect.KProperty

@JvmInline value class Cents(val amount: Long) : Comparable<Cents> {
    override fun compareTo(other: Cents) = amount.compareTo(other.amount)
    operator fun plus(other: Cents) = Cents(amount + other.amount)
}

sealed class Item(val price: Cents) {
    class Book(price: Cents, val pages: Int) : Item(price)
    data class Pen(val cost: Cents) : Item(cost)
    object Nothing : Item(Cents(0))
}

abstract class Counter {
    companion object { var made = 0; const val LIMIT = 10 }
    init { made++ }
    inner class Part { val of = this@Counter }
}

class Upper { operator fun getValue(self: Any?, property: KProperty<*>) = property.name.uppercase() }

interface Named { val name: String get() = this::class.java.simpleName }
class Till : Counter(), Named, Iterable<Item> by listOf(Item.Nothing, Item.Pen(Cents(3)), Item.Book(Cents(9), 100)) {
    val lazily by lazy { println("once"); 42 }
    val shout by Upper()
    var watched by Delegates.observable(1) { _, old, new -> println("$old -> $new") }
}

fun describe(item: Item) = when (item) {
    is Item.Book -> "book of ${item.pages}"
    is Item.Pen -> item.toString()
    Item.Nothing -> "nothing"
}

fun main(args: Array<String>) {
    val till = Till()
    till.watched = till.lazily + till.lazily
    println("${till.name} ${till.shout} ${Counter.made} ${till.Part().of === till} ${args.size}")
    println(till.map(::describe) + till.map { it.price }.reduce { a, b -> a + b })
    println(TreeMap(mapOf("b" to 1, "a" to 2)) to (Cents(1) < Cents(2)))
    val anonymous = object : Named, Runnable { override fun run() = println("run by $name.") }
    anonymous.run()
    println(anonymous.javaClass.name + " " + till.javaClass.declaredFields.map { it.name }.sorted())
}
