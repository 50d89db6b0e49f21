import java.io.File;
import java.nio.file.*;

public class Main {
    public static void main(String[] args) throws Exception {
        try (var all = Files.walk(Path.of("."))) {
            all.sorted().forEach(System.out::println);
        }
        try (var all = Files.list(Path.of("/tmp"))) {
            all.sorted().forEach(System.out::println);
        }
        System.out.println(Path.of("").toAbsolutePath() + " " + new File("data/table.txt").length());
        Files.writeString(Path.of("made.txt"), "made");
    }
}
