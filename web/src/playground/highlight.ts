// The colours of each language, fetched when it is first shown. Languages without a mode of their own borrow one that looks alike.
import type { StreamParser } from '@codemirror/language'

type Loader = () => Promise<StreamParser<unknown>>
const as = (parser: unknown): StreamParser<unknown> => parser as StreamParser<unknown>
const clike = (name: 'c' | 'cpp' | 'csharp' | 'java' | 'kotlin' | 'scala' | 'dart' | 'objectiveC') => (): Promise<StreamParser<unknown>> =>
	import('@codemirror/legacy-modes/mode/clike').then((mode) => as(mode[name]))

const loaders: Record<string, Loader> = {
	ada: () => import('@codemirror/legacy-modes/mode/vhdl').then((mode) => as(mode.vhdl)),
	c: clike('c'),
	clojure: () => import('@codemirror/legacy-modes/mode/clojure').then((mode) => as(mode.clojure)),
	cobol: () => import('@codemirror/legacy-modes/mode/cobol').then((mode) => as(mode.cobol)),
	cpp: clike('cpp'),
	crystal: () => import('@codemirror/legacy-modes/mode/crystal').then((mode) => as(mode.crystal)),
	csharp: clike('csharp'),
	d: () => import('@codemirror/legacy-modes/mode/d').then((mode) => as(mode.d)),
	dart: clike('dart'),
	elixir: () => import('@codemirror/legacy-modes/mode/ruby').then((mode) => as(mode.ruby)),
	erlang: () => import('@codemirror/legacy-modes/mode/erlang').then((mode) => as(mode.erlang)),
	forth: () => import('@codemirror/legacy-modes/mode/forth').then((mode) => as(mode.forth)),
	fortran: () => import('@codemirror/legacy-modes/mode/fortran').then((mode) => as(mode.fortran)),
	fsharp: () => import('@codemirror/legacy-modes/mode/mllike').then((mode) => as(mode.fSharp)),
	go: () => import('@codemirror/legacy-modes/mode/go').then((mode) => as(mode.go)),
	groovy: () => import('@codemirror/legacy-modes/mode/groovy').then((mode) => as(mode.groovy)),
	haskell: () => import('@codemirror/legacy-modes/mode/haskell').then((mode) => as(mode.haskell)),
	java: clike('java'),
	javascript: () => import('@codemirror/legacy-modes/mode/javascript').then((mode) => as(mode.javascript)),
	julia: () => import('@codemirror/legacy-modes/mode/julia').then((mode) => as(mode.julia)),
	kotlin: clike('kotlin'),
	lisp: () => import('@codemirror/legacy-modes/mode/commonlisp').then((mode) => as(mode.commonLisp)),
	lua: () => import('@codemirror/legacy-modes/mode/lua').then((mode) => as(mode.lua)),
	objc: clike('objectiveC'),
	ocaml: () => import('@codemirror/legacy-modes/mode/mllike').then((mode) => as(mode.oCaml)),
	octave: () => import('@codemirror/legacy-modes/mode/octave').then((mode) => as(mode.octave)),
	pascal: () => import('@codemirror/legacy-modes/mode/pascal').then((mode) => as(mode.pascal)),
	perl: () => import('@codemirror/legacy-modes/mode/perl').then((mode) => as(mode.perl)),
	powershell: () => import('@codemirror/legacy-modes/mode/powershell').then((mode) => as(mode.powerShell)),
	python: () => import('@codemirror/legacy-modes/mode/python').then((mode) => as(mode.python)),
	r: () => import('@codemirror/legacy-modes/mode/r').then((mode) => as(mode.r)),
	ruby: () => import('@codemirror/legacy-modes/mode/ruby').then((mode) => as(mode.ruby)),
	rust: () => import('@codemirror/legacy-modes/mode/rust').then((mode) => as(mode.rust)),
	scala: clike('scala'),
	scheme: () => import('@codemirror/legacy-modes/mode/scheme').then((mode) => as(mode.scheme)),
	shell: () => import('@codemirror/legacy-modes/mode/shell').then((mode) => as(mode.shell)),
	sql: () => import('@codemirror/legacy-modes/mode/sql').then((mode) => as(mode.standardSQL)),
	swift: () => import('@codemirror/legacy-modes/mode/swift').then((mode) => as(mode.swift)),
	tcl: () => import('@codemirror/legacy-modes/mode/tcl').then((mode) => as(mode.tcl)),
	typescript: () => import('@codemirror/legacy-modes/mode/javascript').then((mode) => as(mode.typescript)),
	vb: () => import('@codemirror/legacy-modes/mode/vb').then((mode) => as(mode.vb)),
	brainf: () => import('@codemirror/legacy-modes/mode/brainfuck').then((mode) => as(mode.brainfuck)),
	yaml: () => import('@codemirror/legacy-modes/mode/yaml').then((mode) => as(mode.yaml)),
	xml: () => import('@codemirror/legacy-modes/mode/xml').then((mode) => as(mode.xml)),
	toml: () => import('@codemirror/legacy-modes/mode/toml').then((mode) => as(mode.toml)),
	css: () => import('@codemirror/legacy-modes/mode/css').then((mode) => as(mode.css)),
}

const extensions: Record<string, string> = {
	adb: 'ada', ads: 'ada', asd: 'lisp', b: 'brainf', bas: 'vb', bash: 'shell', bats: 'shell', bf: 'brainf', c: 'c', cbl: 'cobol', cc: 'cpp', cjs: 'javascript',
	cl: 'lisp', clj: 'clojure', cob: 'cobol', cpp: 'cpp', cr: 'crystal', cs: 'csharp', css: 'css', cxx: 'cpp', d: 'd', dart: 'dart', erl: 'erlang', ex: 'elixir',
	exs: 'elixir', f: 'fortran', f90: 'fortran', feature: 'yaml', fs: 'fsharp', fsx: 'fsharp', fth: 'forth', go: 'go', groovy: 'groovy', h: 'c', hpp: 'cpp',
	hs: 'haskell', html: 'xml', java: 'java', jl: 'julia', js: 'javascript', json: 'javascript', kt: 'kotlin', kts: 'kotlin', lisp: 'lisp', lua: 'lua', m: 'objc',
	mjs: 'javascript', ml: 'ocaml', octave: 'octave', pas: 'pascal', php: 'c', pl: 'perl', pm: 'perl', pp: 'pascal', ps1: 'powershell', py: 'python', r: 'r',
	R: 'r', rb: 'ruby', rkt: 'scheme', rs: 'rust', scala: 'scala', scm: 'scheme', sh: 'shell', sql: 'sql', svg: 'xml', swift: 'swift', t: 'perl', tcl: 'tcl',
	toml: 'toml', ts: 'typescript', vb: 'vb', xml: 'xml', yaml: 'yaml', yml: 'yaml', zig: 'rust',
}

export function parserFor(name: string): Promise<StreamParser<unknown>> | null {
	const extension = name.split('.').pop() ?? ''
	const loader = loaders[extensions[extension] ?? '']
	return loader ? loader() : null
}
