class Point {
	int x, y
	int sum() { x + y }
}
System.in.eachLine { println it.toUpperCase() }
def counts = [:].withDefault { 0 }
[1, 2, 3].findAll { it % 2 }.each { counts[it] += 1 }
println "${counts} ${new Point(x: 1, y: 2).sum()} ${(1..3).collect { it * 2 }}"
try { throw new IllegalStateException("sample") } catch (e) { println e.message }
