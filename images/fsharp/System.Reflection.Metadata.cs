// The names that FSharp.Compiler.Service refers to in System.Reflection.Metadata, which Mono lacks. They are used for
// portable debug information alone, which the language file switches off.
using System.Reflection;

[assembly: AssemblyVersion("1.4.3.0")]

namespace System.Reflection.Metadata
{
	public struct Blob { }
	public struct BlobReader { }
	public struct BlobWriter { }

	public class BlobBuilder
	{
		public BlobBuilder(int capacity = 256) { }

		public int Count { get { return 0; } }
	}

	public struct BlobContentId
	{
		public BlobContentId(Guid guid, uint stamp) { }

		public Guid Guid { get { return Guid.Empty; } }

		public uint Stamp { get { return 0; } }
	}

	public struct BlobHandle { }
	public struct CustomDebugInformationHandle { }
	public struct DocumentHandle { }
	public struct EntityHandle { }
	public struct GuidHandle { }
	public struct Handle { }
	public struct ImportScopeHandle { }
	public struct LocalConstantHandle { }
	public struct LocalScopeHandle { }
	public struct LocalVariableHandle { }
	public struct MethodDebugInformationHandle { }
	public struct MethodDefinitionHandle { }
	public struct ModuleDefinitionHandle { }
	public struct StringHandle { }

	public enum LocalVariableAttributes { None = 0, DebuggerHidden = 1 }
}

namespace System.Reflection.Metadata.Ecma335
{
	public class MetadataBuilder { }
	public static class MetadataTokens { }
	public class PortablePdbBuilder { }
	public enum TableIndex : byte { Module }
}

namespace System.Reflection.PortableExecutable
{
	public class CoffHeader { }
	public class CorHeader { }
	public enum CorFlags { ILOnly = 1 }
	public struct DirectoryEntry { }
	public class PEHeader { }
	public class PEHeaders { }
	public enum PEMagic : ushort { PE32 = 0x10b }
	public struct PEMemoryBlock { }
	public class PEReader { }
	public enum PEStreamOptions { Default }
	public struct SectionHeader { }
}
