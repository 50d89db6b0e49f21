import java.io.DataInputStream;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.Constructor;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/*
 * Drivers: a compiler that compiles its sample, waits to be told a command, and then is that command. Its arguments
 * are those of the sample. The message comes as src/wire/init_proto.h of kiln says. The image's build compiles this into
 * a jar at the end of the class path that the compiler has without it, so that the same archive of classes fits both.
 */
final class Driver {
	interface Program {
		void run(String[] arguments);
	}

	/*
	 * The main thread of the command. Of this class there is a hidden copy, whose frames stand in no stack trace: one that
	 * the compiler prints of itself ends with its main() as it does without a driver.
	 */
	static final class Bare extends Thread {
		private final Program program;
		private final String[] arguments;

		Bare(Program program, String[] arguments) {
			super("main");
			this.program = program;
			this.arguments = arguments;
		}

		@Override
		public void run() {
			try {
				program.run(arguments);
			} catch (Throwable thrown) {
				System.err.print("Exception in thread \"main\" ");
				thrown.printStackTrace();
				System.exit(1);
			}
		}
	}

	private static Thread bare(Program program, String[] arguments) throws ReflectiveOperationException, IOException {
		byte[] code;
		try (InputStream in = Driver.class.getResourceAsStream("Driver$Bare.class")) {
			code = in.readAllBytes();
		}
		return (Thread)MethodHandles.lookup().defineHiddenClass(code, true).lookupClass()
			.getDeclaredConstructor(Program.class, String[].class).newInstance(program, arguments);
	}

	/* What is compiled with -usejavacp finds the compiler's own class path, and no driver in it. */
	private static void hide() {
		String path = System.getProperty("java.class.path");
		System.setProperty("java.class.path", path.substring(0, path.lastIndexOf(File.pathSeparatorChar)));
	}

	private static List<String> strings(Iterator<String> from) {
		List<String> found = new ArrayList<>();
		for (int left = Integer.parseInt(from.next()); left > 0; left--)
			found.add(from.next());
		return found;
	}

	/* Says that it is ready, and returns the words of the command that it is told. */
	private static List<String> await() throws ReflectiveOperationException, IOException {
		Constructor<FileDescriptor> of = FileDescriptor.class.getDeclaredConstructor(int.class);
		of.setAccessible(true);
		FileDescriptor control = of.newInstance(3);
		try (DataInputStream in = new DataInputStream(new FileInputStream(control))) {
			new FileOutputStream(control).write(0);
			byte[] message = new byte[in.readInt()];
			in.readFully(message);
			return strings(List.of(new String(message, StandardCharsets.UTF_8).split("\0", -1)).iterator());
		}
	}

	/* `main` is the name of the class that the command starts: what stands behind it are its arguments. */
	static void drive(String main, Program compile, String[] sample, Program program)
			throws ReflectiveOperationException, IOException {
		hide();
		/* Once: a second time took another two seconds and saved none. */
		compile.run(sample);
		new File(sample[sample.length - 1]).delete();
		System.gc();
		List<String> command = await();
		bare(program, command.subList(command.indexOf(main) + 1, command.size()).toArray(new String[0])).start();
	}
}
