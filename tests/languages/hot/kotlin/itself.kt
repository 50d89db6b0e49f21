import java.io.File

fun main() {
    println(File("/proc/self/cmdline").readText().replace('\u0000', ' '))
    println(File("/proc/self/limits").readText())
    println(System.getenv().toSortedMap())
    val own = listOf("java.class.path", "user.dir", "file.encoding", "java.vm.info", "java.io.tmpdir", "user.name")
    println(own.map { it to System.getProperty(it) })
    for (folder in listOf("/sandbox", "/tmp"))
        File(folder).walkTopDown().filter { "hsperfdata" !in it.path || it.isDirectory }.map { "$it ${it.isFile}" }.sorted().forEach(::println)
    println(Thread.currentThread().name)
    println(Runtime.getRuntime().maxMemory() shr 20)
    println(Thread.currentThread().stackTrace.map { it.toString() })
}
