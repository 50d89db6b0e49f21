// A program in the part of a link that browsers send to nobody: JSON, deflated, base64url. What comes by a link is a stranger's: it is bounded before
// and while it is unpacked, and checked field by field; and it is shown, not run.
import { base64url, type LimitName, type Limits } from '../common/api'

export interface Program {
	language: string
	version?: string
	files: Record<string, string>
	stdin?: string
	args?: string
	limits?: Limits
	terminal?: boolean
}

export const LINK_CHARACTERS = 64 * 1024
const UNPACKED_BYTES = 1024 * 1024
const FILES = 64
const limitNames: LimitName[] = ['wall_ms', 'cpu_ms', 'memory_bytes', 'processes', 'output_bytes', 'disk_bytes']

/** Why a name cannot be a file's, or "". */
export function nameFault(name: string): string {
	if (!name) return 'A file needs a name.'
	if (new TextEncoder().encode(name).length > 200) return 'That name is too long.'
	// eslint-disable-next-line no-control-regex
	if (/[\u0000-\u001f\u007f\\\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(name)) return 'A name cannot have control characters or backslashes.'
	if (name.startsWith('/') || name.split('/').some((part) => part === '' || part === '.' || part === '..')) return 'A name is a relative path, without "." and "..".'
	return ''
}

async function piped(data: BlobPart, through: CompressionStream | DecompressionStream, bound: number): Promise<Uint8Array> {
	const reader = new Blob([data]).stream().pipeThrough(through).getReader()
	const parts: Uint8Array[] = []
	let size = 0
	for (;;) {
		const { done, value } = (await reader.read()) as { done: boolean; value: Uint8Array }
		if (done) break
		size += value.length
		if (size > bound) {
			void reader.cancel()
			throw new Error('it is too large')
		}
		parts.push(value)
	}
	return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer())
}

/** The fragment of a link; throws a sentence when the program is too large for one. */
export async function packed(program: Program): Promise<string> {
	const bytes = await piped(JSON.stringify(program), new CompressionStream('deflate'), LINK_CHARACTERS).catch(() => null)
	const text = bytes ? base64url(bytes) : ''
	if (!bytes || text.length > LINK_CHARACTERS) throw new Error(`The program is too large for a link of ${LINK_CHARACTERS / 1024} KiB. Download it instead.`)
	return text
}

const isText = (value: unknown): value is string => typeof value === 'string'

function checked(value: unknown): Program {
	const fault = new Error('it does not hold a program')
	if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fault
	const { language, version, files, stdin, args, limits, terminal } = value as Record<string, unknown>
	if (!isText(language) || typeof files !== 'object' || files === null) throw fault
	const entries = Object.entries(files as Record<string, unknown>)
	if (entries.length === 0 || entries.length > FILES) throw fault
	if (entries.some(([name, text]) => !isText(text) || nameFault(name))) throw fault
	const program: Program = { language, files: Object.fromEntries(entries as [string, string][]) }
	if (isText(version)) program.version = version
	if (isText(stdin)) program.stdin = stdin
	if (isText(args)) program.args = args
	if (terminal === true) program.terminal = true
	for (const name of limitNames) {
		const limit = typeof limits === 'object' && limits !== null ? (limits as Record<string, unknown>)[name] : undefined
		if (typeof limit === 'number' && Number.isSafeInteger(limit) && limit > 0) program.limits = { ...program.limits, [name]: limit }
	}
	return program
}

/** The program of a fragment; throws what is wrong with it. */
export async function unpacked(fragment: string): Promise<Program> {
	if (fragment.length > LINK_CHARACTERS) throw new Error('it is too long')
	let bytes: Uint8Array
	try {
		const binary = atob(fragment.replaceAll('-', '+').replaceAll('_', '/'))
		bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
	} catch {
		throw new Error('it is damaged')
	}
	const json = await piped(bytes as BlobPart, new DecompressionStream('deflate'), UNPACKED_BYTES).catch((error: Error) => {
		throw error.message === 'it is too large' ? error : new Error('it is damaged')
	})
	let value: unknown
	try {
		value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json))
	} catch {
		throw new Error('it is damaged')
	}
	return checked(value)
}

/** What JSON.parse made, if it is a program as the page keeps it; else null. */
export function program(text: string | null): Program | null {
	try {
		return text ? checked(JSON.parse(text)) : null
	} catch {
		return null
	}
}
