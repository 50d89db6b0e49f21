public class Main {
    public static void main(String[] args) throws Exception {
        System.out.println(new java.util.TreeSet<>(Thread.getAllStackTraces().keySet().stream().map(Thread::getName).toList()));
        System.out.println(Thread.currentThread() + " " + Main.class.getClassLoader().getClass());
    }
}
