import java.lang.management.*;
import java.util.*;

public class Main {
    public static void main(String[] args) throws Exception {
        Properties p = System.getProperties();
        for (String key : new TreeSet<>(p.stringPropertyNames()))
            System.out.println(key + "=" + p.getProperty(key));
        System.out.println(ManagementFactory.getRuntimeMXBean().getInputArguments());
    }
}
