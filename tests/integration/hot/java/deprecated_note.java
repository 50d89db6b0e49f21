public class Main {
    public static void main(String[] args) throws Exception {
        System.out.println(new Integer(1));
        Thread.currentThread().stop();
    }
}
