import java.util.*;
import java.util.function.*;
import java.util.stream.*;

public class Main {
    sealed interface Shape permits Square, Circle { }
    record Square(double side) implements Shape { }
    record Circle(double radius) implements Shape { }

    static double area(Shape s) {
        if (s instanceof Square q)
            return q.side() * q.side();
        return s instanceof Circle c ? Math.PI * c.radius() * c.radius() : 0;
    }

    public static void main(String[] args) {
        var text = """
            a block
              of text
            """;
        System.out.print(text);
        System.out.println(Stream.of(new Square(2), new Circle(1)).map(Main::area).map(String::valueOf).collect(Collectors.joining(",")));
        Function<Integer, Function<Integer, Integer>> add = a -> b -> a + b;
        System.out.println(add.apply(1).apply(2));
        int day = 3;
        System.out.println(switch (day) { case 1, 7 -> "weekend"; default -> { yield "work"; } });
    }
}
