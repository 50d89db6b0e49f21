public class Main {
    public static void main(String[] args) throws Exception {
        return;
        System.out.println();
    }
}
