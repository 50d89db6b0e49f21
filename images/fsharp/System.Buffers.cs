// What FSharp.Compiler.Service asks of System.Buffers, which Mono lacks: a pool that keeps nothing.
using System.Reflection;

[assembly: AssemblyVersion("4.0.2.0")]

namespace System.Buffers
{
	public abstract class ArrayPool<T>
	{
		static readonly ArrayPool<T> shared = new Unpooled();

		public static ArrayPool<T> Shared { get { return shared; } }

		public static ArrayPool<T> Create() { return new Unpooled(); }

		public static ArrayPool<T> Create(int maxArrayLength, int maxArraysPerBucket) { return new Unpooled(); }

		public abstract T[] Rent(int minimumLength);

		public abstract void Return(T[] array, bool clearArray = false);

		class Unpooled : ArrayPool<T>
		{
			public override T[] Rent(int minimumLength) { return new T[minimumLength]; }

			public override void Return(T[] array, bool clearArray) { }
		}
	}
}
