import scala.tools.nsc.Main;

final class ScalaDriver {
	/* Its program ends the virtual machine after process(). */
	public static void main(String[] sample) throws Exception {
		Driver.drive("scala.tools.nsc.Main", Main::process, sample, Main::main);
	}
}
