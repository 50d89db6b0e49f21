import org.jetbrains.kotlin.cli.jvm.K2JVMCompiler;

final class KotlinDriver {
	/* Its program ends the virtual machine only where it fails, and then the driver is of no use. */
	public static void main(String[] sample) throws Exception {
		Driver.drive("org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", K2JVMCompiler::main, sample,
			K2JVMCompiler::main);
	}
}
