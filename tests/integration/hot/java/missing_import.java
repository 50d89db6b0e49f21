public class Main {
    public static void main(String[] args) throws Exception {
        List<String> l = new ArrayList<>();
    }
}
