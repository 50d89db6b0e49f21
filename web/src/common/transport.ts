// Ways to run a program: over the WebSocket, live; or where there is none, with one request, whose output comes at the end.
import { ApiError, ask, base64url, decoded, type RunRequest, type RunResult, token } from './api'

export type Stream = 'stdout' | 'stderr'

export interface RunEvents {
	queued(position: number): void
	started(): void
	output(stream: Stream, bytes: Uint8Array): void
	/** One of the two is called once, and nothing after it. */
	result(result: RunResult): void
	failed(error: ApiError): void
}

export interface RunOptions {
	request: RunRequest
	archive?: Blob
	tty?: { rows: number; cols: number }
	/** Input is typed while it runs, instead of `request.stdin`. */
	interactive?: boolean
}

export interface Run {
	cancel(): void
	/** These do something only where the run is live. */
	type(bytes: Uint8Array): void
	resize(rows: number, cols: number): void
}

export interface Transport {
	readonly live: boolean
	/** Whether a run can be started with it. */
	readonly open: boolean
	start(options: RunOptions, events: RunEvents): Run
}

const nothing = (): void => {}

/** POST /v1/runs of the server at `base`, "" for the page's own. */
export const httpAt = (base: string): Transport => ({
	live: false,
	open: true,
	start({ request, archive }, events) {
		const abort = new AbortController()
		const body = archive ? new FormData() : JSON.stringify(request)
		const headers: Record<string, string> = {}
		if (typeof body === 'string') headers['Content-Type'] = 'application/json'
		else {
			body.append('run', new Blob([JSON.stringify(request)], { type: 'application/json' }))
			body.append('archive', archive as Blob, 'archive')
		}
		events.started()
		ask(`${base}v1/runs`, { method: 'POST', body, headers, signal: abort.signal })
			.then((answer) => answer.json() as Promise<RunResult>)
			.then(
				(result) => {
					for (const step of result.steps) {
						if (step.stdout) events.output('stdout', decoded(step.stdout, step.stdout_encoding))
						if (step.stderr) events.output('stderr', decoded(step.stderr, step.stderr_encoding))
					}
					events.result(result)
				},
				(error: Error) => events.failed(error instanceof ApiError ? error : new ApiError(error.name === 'AbortError' ? 'cancelled' : error.message, 0)),
			)
		return { cancel: () => abort.abort(), type: nothing, resize: nothing }
	},
})

const ARCHIVE = 0
const STDIN = 1
const STREAMS: Record<number, Stream> = { 1: 'stdout', 2: 'stderr' }

type FromServer =
	| { run: number; type: 'queued'; position: number }
	| { run: number; type: 'started' }
	| { run: number; type: 'result'; result: RunResult }
	| { run: number; type: 'error'; status: number; retry_after_s?: number; error: { message: string; field?: string } }

/** /v1/ws: any number of runs over one connection. */
class Live implements Transport {
	readonly live = true
	private runs = new Map<number, RunEvents>()
	private last = 0

	constructor(private socket: WebSocket) {
		socket.onmessage = ({ data }) => (typeof data === 'string' ? this.heard(JSON.parse(data) as FromServer) : this.printed(data as ArrayBuffer))
		socket.onclose = ({ reason }) => {
			const runs = [...this.runs.values()]
			this.runs.clear()
			for (const events of runs) events.failed(new ApiError(reason || 'the connection to the server was lost', 0))
		}
	}

	get open(): boolean {
		return this.socket.readyState === WebSocket.OPEN
	}

	start(options: RunOptions, events: RunEvents): Run {
		const run = ++this.last
		const { request, archive, tty, interactive } = options
		this.runs.set(run, events)
		this.say({
			run,
			type: 'start',
			request: { ...request, ...(archive && { archive_follows: true }), ...(interactive && { stdin_follows: true }), ...(tty && { tty }) },
		})
		// One message, whatever its size.
		if (archive) void archive.arrayBuffer().then((bytes) => this.send(run, ARCHIVE, new Uint8Array(bytes)))
		return {
			cancel: () => this.say({ run, type: 'cancel' }),
			// What a run was not started for would end the connection.
			type: interactive ? (bytes) => this.send(run, STDIN, bytes) : nothing,
			resize: tty ? (rows, cols) => this.say({ run, type: 'resize', rows, cols }) : nothing,
		}
	}

	private heard(message: FromServer): void {
		const events = this.runs.get(message.run)
		if (!events) return
		if (message.type === 'queued') events.queued(message.position)
		else if (message.type === 'started') events.started()
		else {
			this.runs.delete(message.run)
			if (message.type === 'result') events.result(message.result)
			else events.failed(new ApiError(message.error.message, message.status, message.error.field, message.retry_after_s))
		}
	}

	private printed(data: ArrayBuffer): void {
		const stream = STREAMS[new DataView(data).getUint8(4)]
		if (stream) this.runs.get(new DataView(data).getUint32(0))?.output(stream, new Uint8Array(data, 5))
	}

	private say(message: { run: number; type: string; [field: string]: unknown }): void {
		if (this.runs.has(message.run) && this.open) this.socket.send(JSON.stringify(message))
	}

	private send(run: number, kind: number, bytes: Uint8Array): void {
		if (!this.runs.has(run) || !this.open) return
		const frame = new Uint8Array(5 + bytes.length)
		const view = new DataView(frame.buffer)
		view.setUint32(0, run)
		view.setUint8(4, kind)
		frame.set(bytes, 5)
		this.socket.send(frame)
	}
}

/** A new connection to the server at `base`; null where there can be none. */
export function liveAt(base: string): Promise<Transport | null> {
	return new Promise((resolve) => {
		const url = new URL('v1/ws', base)
		url.protocol = url.protocol.replace('http', 'ws')
		const bearer = token()
		// A browser cannot send an Authorization header here; the token goes as a subprotocol.
		const socket = new WebSocket(url, ['kiln.v1', ...(bearer ? [`kiln.bearer64.${base64url(new TextEncoder().encode(bearer))}`] : [])])
		socket.binaryType = 'arraybuffer'
		socket.onopen = () => resolve(new Live(socket))
		socket.onerror = () => resolve(null)
	})
}

let found: Promise<Transport> | null = null

/** The live way to the page's own server where it has it, over the connection that is open; else the plain one. */
export async function transport(): Promise<Transport> {
	found ??= liveAt(document.baseURI).then((live) => live ?? httpAt(''))
	const way = await found
	if (way.open) return way
	found = null
	return transport()
}
