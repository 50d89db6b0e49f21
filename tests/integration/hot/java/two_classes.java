public class Main {
    public static void main(String[] args) throws Exception {
        new Helper().help();
    }
}

class Helper {
    void help() { System.out.println(getClass()); }

    static class Inner { }
}
