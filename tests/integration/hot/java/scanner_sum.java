import java.util.*;

public class Main {
    public static void main(String[] args) throws Exception {
        Scanner in = new Scanner(System.in);
        int n = 0;
        while (in.hasNext()) { in.next(); n++; }
        System.out.printf("%d%n", n);
    }
}
