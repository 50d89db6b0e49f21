import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Uses what most programs use, so that the compiler's classes for it are in the archive. */
public class Sample {
	record Point(int x, int y) {
		int sum() {
			return x + y;
		}
	}

	enum Colour { RED, GREEN }

	interface Shape {
		double area();
	}

	static class Square implements Shape {
		private final double side;

		Square(double side) {
			this.side = side;
		}

		@Override
		public double area() {
			return side * side;
		}
	}

	static <T, R> List<R> map(List<T> from, Function<? super T, ? extends R> f) {
		return from.stream().map(f).collect(Collectors.toList());
	}

	public static void main(String[] args) throws IOException {
		Map<String, Integer> counts = new HashMap<>();
		List<Integer> numbers = new ArrayList<>(List.of(1, 2, 3));
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		Scanner scanner = new Scanner("7");

		for (String line = in.readLine(); line != null; line = in.readLine())
			counts.merge(line, 1, Integer::sum);
		try {
			numbers.add(scanner.nextInt() + new Point(1, 2).sum());
		} catch (IllegalStateException e) {
			System.err.println(e.getMessage());
		}
		String name = switch (Colour.values()[0]) {
			case RED -> "red";
			case GREEN -> "green";
		};
		System.out.printf("%s %d %.2f%n", name, map(numbers, n -> n * 2).size(), new Square(2).area());
	}
}
