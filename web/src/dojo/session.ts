// What the server says of a session, and what it is asked for: docs/openapi.yaml in types, as far as this page uses it.
import { ask, type Encoded, json, type RunResult } from '../common/api'

export interface Session {
	id: string
	state: 'starting' | 'open' | 'finished' | 'expired' | 'lost'
	reason?: string
	language?: string
	image?: string
	created_ms: number
	ttl_left_ms: number
	users: { name: string; running: boolean; waiting: number }[]
	runs: number
}

/** A line of the history. */
export interface Past {
	number: number
	id: string
	user: string
	ended_ms: number
	outcome: string
	colour?: string
	exit_code: number | null
	wall_ms: number
	kept?: boolean
}

export interface SessionFile {
	content: string
	encoding: 'utf-8' | 'base64'
	mode: string
}
export type SessionFiles = Record<string, SessionFile>

/** What one run printed and left. */
export interface Whole {
	run: Past
	result: RunResult
	files: SessionFiles
}

export interface TestRequest {
	user: string
	files: Record<string, Encoded>
	delete?: string[]
	command?: string[]
	collect: 'text'
	detached: true
	traffic_light?: { rules: object[] }
}

const sent = (method: string, body: unknown): RequestInit => ({ method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } })

/** The sessions of the server at `base`, "" or "../". */
export class Sessions {
	constructor(private base: string) {}

	private path(id: string): string {
		return `${this.base}v1/sessions/${encodeURIComponent(id)}`
	}

	list = async (): Promise<Session[]> => (await json<{ sessions: Session[] }>(`${this.base}v1/sessions`)).sessions
	make = (request: { id?: string; language: string; ttl_ms: number }): Promise<Session> => json(`${this.base}v1/sessions`, sent('POST', request))
	get = (id: string): Promise<Session> => json(this.path(id))
	prolong = (id: string, ttl_ms: number): Promise<Session> => json(this.path(id), sent('PUT', { ttl_ms }))
	finish = (id: string): Promise<Session> => json(`${this.path(id)}/finish`, sent('POST', {}))
	reopen = (id: string): Promise<Session> => json(`${this.path(id)}/reopen`, sent('POST', {}))
	fork = (id: string, what: { user?: string; run?: number }): Promise<Session> => json(`${this.path(id)}/fork`, sent('POST', what))
	join = (id: string, name: string, files: Record<string, string>): Promise<unknown> => json(`${this.path(id)}/users`, sent('POST', { name, files }))
	files = async (id: string, user: string): Promise<SessionFiles> => (await json<{ files: SessionFiles }>(`${this.path(id)}/users/${encodeURIComponent(user)}/files`)).files
	test = (id: string, request: TestRequest): Promise<RunResult> => json(`${this.path(id)}/runs`, sent('POST', request))
	runs = async (id: string, since: number): Promise<Past[]> => (await json<{ runs: Past[] }>(`${this.path(id)}/runs?since=${since}`)).runs
	run = (id: string, number: number): Promise<Whole> => json(`${this.path(id)}/runs/${number}`)

	/** Waits for something to happen after event `since`, for at most `wait_ms`; the number of the last event. */
	async events(id: string, since: number, wait_ms: number): Promise<{ any: boolean; last: number }> {
		const answer = await ask(`${this.path(id)}/events?since=${since}&wait_ms=${wait_ms}`)
		const { events, last } = (await answer.json()) as { events: unknown[]; last: number }
		return { any: events.length > 0, last }
	}
}
