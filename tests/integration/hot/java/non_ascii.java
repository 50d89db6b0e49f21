public class Main {
    public static void main(String[] args) throws Exception {
        System.out.println("äöü €");
        int größe = 1;
        System.out.println(größe + missingé);
    }
}
