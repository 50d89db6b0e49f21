// What the server says and is asked for: docs/openapi.yaml in types, as far as the pages use it.

export interface Limits {
	wall_ms?: number
	cpu_ms?: number
	memory_bytes?: number
	processes?: number
	output_bytes?: number
	disk_bytes?: number
}
export type LimitName = keyof Limits

export interface Language {
	id: string
	name: string
	version: string
	source_file: string | null
	extensions: string[]
	steps: { name: string; limits: Required<Limits> }[]
	available: boolean
	hello: string | null
	start: Record<string, string>
	versions: { version: string; image: string; available: boolean }[]
}

export type Encoded = string | { content: string; encoding: 'utf-8' | 'base64' }

export interface RunRequest {
	language?: string
	files?: Record<string, Encoded>
	entry?: string
	args?: string[]
	stdin?: string
	limits?: Limits
	collect?: 'none' | 'text' | 'all' | string[]
}

export interface Reached {
	name: string
	value: number
	used: number
	enforced_by: string
}

export interface Step {
	name: string
	outcome: string
	exit_code: number | null
	signal: number | null
	stdout?: string
	stdout_encoding?: string
	stdout_truncated?: boolean
	stderr?: string
	stderr_encoding?: string
	stderr_truncated?: boolean
	wall_ms: number
	cpu_ms: number
	memory_peak_bytes: number
	processes_peak: number
	limit: Reached | null
	cached?: boolean
	explanation?: string
	error?: string
}

export interface ResultFile {
	content: string
	encoding: 'utf-8' | 'base64'
	mode: string
	truncated: boolean
}

export interface Timing {
	queue_us: number
	acquire_us: number
	upload_us: number
	exec_us: number
	collect_us: number
	total_us: number
}

export interface RunResult {
	id: string
	outcome: string
	steps: Step[]
	files?: {
		created: Record<string, ResultFile>
		changed: Record<string, ResultFile>
		deleted: string[]
		omitted: { name: string; reason: string }[]
	}
	timing: Timing
	unenforced?: string[]
}

/** A refusal of the server's, or no answer at all (status 0). */
export class ApiError extends Error {
	constructor(
		message: string,
		readonly status: number,
		readonly field = '',
		readonly retryAfterS = 0,
	) {
		super(message)
	}
}

const tokenKey = 'kiln.token'

/** The bearer token that the reader gave, for as long as the tab is open. */
export function token(): string {
	try {
		return sessionStorage.getItem(tokenKey) ?? ''
	} catch {
		return ''
	}
}

export function setToken(value: string): void {
	try {
		sessionStorage.setItem(tokenKey, value)
	} catch {
		// Asked for again.
	}
}

export function authorized(headers: Record<string, string> = {}): Record<string, string> {
	const bearer = token()
	return bearer ? { ...headers, Authorization: `Bearer ${bearer}` } : headers
}

/** The sentence of an answer that is no success. */
export async function refusal(answer: Response): Promise<ApiError> {
	const retry = Number(answer.headers.get('Retry-After')) || 0
	try {
		const { error } = (await answer.json()) as { error: { message: string; field?: string } }
		return new ApiError(error.message, answer.status, error.field, retry)
	} catch {
		return new ApiError(`the server answered with status ${answer.status}`, answer.status, '', retry)
	}
}

/** Asks, and asks the reader for a token where the server wants one. */
export async function ask(path: string, options: RequestInit = {}): Promise<Response> {
	for (;;) {
		let answer: Response
		try {
			answer = await fetch(path, { ...options, headers: authorized(options.headers as Record<string, string>) })
		} catch (error) {
			if ((error as Error).name === 'AbortError') throw error
			throw new ApiError('the server cannot be reached', 0)
		}
		if (answer.ok) return answer
		if (answer.status !== 401 || !(await tokenAsked())) throw await refusal(answer)
	}
}

export async function json<T>(path: string, options?: RequestInit): Promise<T> {
	return (await (await ask(path, options)).json()) as T
}

let asking: Promise<boolean> | null = null

/** Shows the dialog of the page; false when the reader will not give one. One at a time, however many ask. */
function tokenAsked(): Promise<boolean> {
	asking ??= new Promise<boolean>((resolve) => {
		const dialog = document.getElementById('token-dialog') as HTMLDialogElement | null
		if (!dialog) {
			resolve(false)
			return
		}
		const input = dialog.querySelector('input') as HTMLInputElement
		dialog.returnValue = ''
		dialog.addEventListener(
			'close',
			() => {
				if (dialog.returnValue === 'use') setToken(input.value.trim())
				input.value = ''
				resolve(dialog.returnValue === 'use')
			},
			{ once: true },
		)
		dialog.showModal()
	}).finally(() => {
		asking = null
	})
	return asking
}

/** Bytes of a text or base64. */
export function decoded(content: string, encoding: string | undefined): Uint8Array {
	if (encoding !== 'base64') return new TextEncoder().encode(content)
	const text = atob(content)
	const bytes = new Uint8Array(text.length)
	for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
	return bytes
}

/** Base64 as it can stand in links and names, without padding. */
export function base64url(bytes: Uint8Array): string {
	let binary = ''
	for (let at = 0; at < bytes.length; at += 4096) binary += String.fromCharCode(...bytes.subarray(at, at + 4096))
	return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
