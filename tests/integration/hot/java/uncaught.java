public class Main {
    static void f(int n) {
        if (n == 0)
            throw new IllegalStateException("bad", new RuntimeException("cause"));
        f(n - 1);
    }
    public static void main(String[] args) throws Exception {
        f(3);
    }
}
