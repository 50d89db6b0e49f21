public class Main {
    static int n;
    static void f() { n++; f(); }
    public static void main(String[] args) throws Exception {
        try {
            f();
        } catch (StackOverflowError e) {
            System.out.println("deep " + (n > 1000));
        }
    }
}
