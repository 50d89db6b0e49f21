import java.util.*;

public class Main {
    public static void main(String[] args) throws Exception {
        List<byte[]> l = new ArrayList<>();
        for (;;)
            l.add(new byte[1 << 20]);
    }
}
