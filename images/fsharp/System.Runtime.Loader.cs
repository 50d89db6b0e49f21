// What FSharp.Compiler.Service asks of System.Runtime.Loader, which Mono lacks.
using System.Reflection;

[assembly: AssemblyVersion("4.0.0.0")]

namespace System.Runtime.Loader
{
	public class AssemblyLoadContext
	{
		public static AssemblyLoadContext Default { get { return new AssemblyLoadContext(); } }

		public event Func<AssemblyLoadContext, AssemblyName, Assembly> Resolving { add { } remove { } }

		public event Func<Assembly, string, IntPtr> ResolvingUnmanagedDll { add { } remove { } }

		public Assembly LoadFromAssemblyPath(string path) { return Assembly.LoadFrom(path); }

		public Assembly LoadFromAssemblyName(AssemblyName name) { return Assembly.Load(name); }
	}
}
