// The F# compiler as a program: gives its arguments to FSharp.Compiler.Service and prints what that complains of.
using System;
using System.Linq;
using FSharp.Compiler.SourceCodeServices;
using Microsoft.FSharp.Control;

static class Fsc
{
	static int Main(string[] args)
	{
		var checker = FSharpChecker.Create(null, null, null, null, null, null, null, null);
		var compile = checker.Compile(new[] { "fsc.exe" }.Concat(args).ToArray(), null);
		var result = FSharpAsync.RunSynchronously(compile, null, null);

		foreach (var complaint in result.Item1)
			Console.Error.WriteLine(complaint);
		return result.Item2;
	}
}
