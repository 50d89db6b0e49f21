// The files of the animal that the reader is, and the test button.
import { ApiError, type RunResult } from '../common/api'
import { need } from '../common/dom'
import { plural } from '../common/format'
import { read, write } from '../common/storage'
import { Files } from '../playground/files'
import { changes, type Draft, editable, parsed, resumed, type Texts } from './draft'
import { rules } from './lights'
import { notice } from './notice'
import type { Session, SessionFiles, Sessions } from './session'

const SAVE_MS = 300

export class Desk {
	private files = new Files({ changed: () => this.changed(), run: () => void this.test() })
	private button = need<HTMLButtonElement>('test')
	private base: Texts = {}
	private sent: Texts | null = null
	private saving = 0
	private testing = false
	/** Who the reader is; "" for one who only watches. */
	name = ''

	constructor(
		private sessions: Sessions,
		private session: () => Session,
		private tested: (result: RunResult | null) => void,
	) {
		need('bar').addEventListener('submit', (event) => {
			event.preventDefault()
			void this.test()
		})
		document.addEventListener('keydown', (event) => {
			if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || event.defaultPrevented || document.querySelector('dialog[open]')) return
			event.preventDefault()
			void this.test()
		})
		addEventListener('pagehide', () => this.save())
	}

	private get key(): string {
		return `kiln.dojo.${this.session().id}.${this.session().created_ms}.${this.name}`
	}

	/** Sits down: the files are those of the server, and what was typed here and has not been sent. */
	sit(name: string, server: SessionFiles): void {
		this.name = name
		const { texts, others } = editable(server)
		this.base = texts
		this.sent = null
		const shown = resumed(texts, parsed(read(this.key)))
		this.files.load(Object.keys(shown).length ? shown : { 'notes.txt': '' })
		need('me').textContent = name
		this.said(others ? `${plural(others, 'more file')} that this editor does not show.` : '')
		this.save()
		this.enable()
	}

	stand(): void {
		if (this.name) this.save()
		this.name = ''
	}

	/** Whether a test can run now. */
	enable(): void {
		const { state, image } = this.session()
		const runnable = !image || Object.hasOwn(this.base, 'cyber-dojo.sh') || Object.hasOwn(this.files.get(), 'cyber-dojo.sh')
		this.button.disabled = this.testing || state !== 'open' || !runnable
		if (!runnable) this.said('This dojo is of an image: what tests is a file cyber-dojo.sh.')
	}

	private said(text: string): void {
		need('desk-said').textContent = text
	}

	private changed(): void {
		clearTimeout(this.saving)
		this.saving = window.setTimeout(() => this.save(), SAVE_MS)
	}

	private draft(): Draft {
		return { base: this.base, now: this.files.get(), ...(this.sent && { sent: this.sent }) }
	}

	private save(): void {
		clearTimeout(this.saving)
		if (this.name) write(this.key, JSON.stringify(this.draft()))
	}

	private async test(): Promise<void> {
		if (this.button.disabled || !this.name) return
		const { id, image, language } = this.session()
		const name = this.name
		const { now } = this.draft()
		const { files, gone } = changes({ base: this.base, now })
		const light = language ? rules(language) : undefined
		this.testing = true
		this.sent = now
		this.save()
		this.enable()
		this.said('Testing…')
		notice('')
		try {
			const result = await this.sessions.test(id, {
				user: name, files, collect: 'text', detached: true,
				...(gone.length && { delete: gone }), ...(image && { command: ['bash', 'cyber-dojo.sh'] }), ...(light && { traffic_light: light }),
			})
			if (this.name === name) this.arrived(now, result)
			this.tested(result)
		} catch (error) {
			const lost = error instanceof ApiError && error.status === 0
			if (!lost) this.sent = null
			this.said('')
			notice(lost ? 'The connection was lost while the test ran. It goes on, and its light will be here.' : `Not tested: ${(error as Error).message}.`, true)
			this.tested(null)
		}
		this.testing = false
		this.enable()
	}

	/** The server has what was sent, and what the test made of it. */
	private arrived(sent: Texts, { files }: RunResult): void {
		const made = editable({ ...files?.created, ...files?.changed }).texts
		const base = { ...sent, ...made }
		for (const name of files?.deleted ?? []) delete base[name]
		const now = this.files.get()
		for (const [name, text] of Object.entries(made)) if (now[name] === sent[name]) this.files.put(name, text)
		for (const name of files?.deleted ?? []) if (now[name] === sent[name]) this.files.drop(name)
		this.base = base
		this.sent = null
		this.said('')
		this.save()
	}
}
