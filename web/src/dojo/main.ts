// The dojo's page: /dojo makes one or lists them, /dojo/ID is one of them, live for everybody who looks at it.
import { json, type Language } from '../common/api'
import { closers, el, need } from '../common/dom'
import { read, write } from '../common/storage'
import { themeButton } from '../common/theme'
import { sure } from '../playground/files'
import { free } from './animals'
import { Board } from './board'
import { Desk } from './desk'
import { Light } from './light'
import { lobby } from './lobby'
import { attempt, notice } from './notice'
import { type Past, type Session, Sessions } from './session'
import { left } from './time'

const WAIT_MS = 20_000
const REST_MS = 3000 // between two looks, where nothing can be waited for
const HOUR_MS = 3_600_000
const LITTLE_MS = 5 * 60_000
const FREE_SHOWN = 16

const base = document.documentElement.dataset['base'] ?? ''
const sessions = new Sessions(base)

class Dojo {
	private session!: Session
	private endsAt = 0
	private runs: Past[] = []
	private board = new Board((number) => void this.choose(number))
	private light = new Light((number) => sessions.run(this.id, number))
	private desk = new Desk(sessions, () => this.session, (result) => void this.tested(result?.id))
	private watching = false
	private gone = false

	constructor(private id: string) {}

	private get lives(): boolean {
		return this.session.state === 'open' || this.session.state === 'starting'
	}

	async begin(): Promise<void> {
		let last: number
		try {
			last = (await sessions.events(this.id, 0, 0)).last
			await this.refresh()
		} catch (error) {
			notice([`${(error as Error).message}. `.replace(/^./, (first) => first.toUpperCase()), el('a', { href: '../dojo' }, 'All dojos')], true)
			return
		}
		need('dojo').hidden = false
		document.title = `${this.id} – kiln dojo`
		this.wire()
		const known = read(`kiln.dojo.${this.id}.${this.session.created_ms}`)
		if (known && this.session.users.some(({ name }) => name === known)) await this.sit(known)
		this.draw()
		need('dojo').dataset['ready'] = 'yes'
		setInterval(() => this.clock(), 1000)
		void this.listen(last)
	}

	// --- what happens

	private async listen(from: number): Promise<void> {
		let last = from
		while (!this.gone) {
			const wait = this.lives && document.visibilityState === 'visible'
			try {
				const heard = await sessions.events(this.id, last, wait ? WAIT_MS : 0)
				// Less than before: the server began anew, and counts from one again.
				if (heard.any || heard.last < last) await this.refresh(heard.last < last)
				last = heard.last
				if (need('notice').dataset['lost']) {
					delete need('notice').dataset['lost']
					await this.refresh()
					notice('')
				}
			} catch (error) {
				await this.lost(error as Error & { status?: number })
			}
			if (!wait) await new Promise((over) => setTimeout(over, REST_MS))
		}
	}

	private async lost(error: Error & { status?: number }): Promise<void> {
		if (error.status === 404) {
			this.gone = true
			notice('This dojo has been removed.', true)
			need<HTMLButtonElement>('test').disabled = true
			return
		}
		notice(`What happens is not seen now: ${error.message}. It is tried again.`, true)
		need('notice').dataset['lost'] = 'yes'
		await new Promise((over) => setTimeout(over, REST_MS))
	}

	private async refresh(anew = false): Promise<void> {
		const since = anew ? 0 : (this.runs.at(-1)?.number ?? 0)
		const [session, runs] = await Promise.all([sessions.get(this.id), sessions.runs(this.id, since)])
		const known = new Set(anew ? [] : this.runs.map(({ number }) => number))
		this.session = session
		this.endsAt = performance.now() + session.ttl_left_ms
		this.runs = [...(anew ? [] : this.runs), ...runs.filter(({ number }) => !known.has(number))]
		if (!need('dojo').hidden) this.draw()
	}

	// --- what is shown

	private draw(): void {
		const { state, reason, language, image, users } = this.session
		const stateWords = { starting: 'is starting', open: '', finished: 'finished: everything can be read, nothing runs', expired: 'its time was over', lost: 'lost' }
		need('title').textContent = `${this.id}`
		need('state').textContent = [language ?? image, stateWords[state], state === 'lost' ? reason : ''].filter(Boolean).join(', ')
		need('dojo').dataset['state'] = state
		for (const id of ['prolong', 'finish']) need(id).hidden = !this.lives
		need('reopen').hidden = this.lives
		this.board.draw(users, this.runs, this.desk.name, this.light.number)
		this.light.update(this.runs)
		const sits = this.desk.name !== '' && this.lives
		need('desk').hidden = !sits
		need('who').hidden = sits || this.watching || !this.lives
		need('panes').hidden = !sits && this.light.number === 0
		need('panes').toggleAttribute('data-one', !sits || this.light.number === 0)
		if (!need('who').hidden) this.drawWho()
		if (this.desk.name) this.desk.enable()
		this.clock()
	}

	private drawWho(): void {
		const names = this.session.users.map(({ name }) => name)
		const choice = (name: string, act: () => void): HTMLElement => {
			const button = el('button', { type: 'button' }, name)
			button.dataset['animal'] = name
			button.addEventListener('click', act)
			return button
		}
		const watch = el('button', { type: 'button', id: 'watch' }, 'Only watch')
		watch.addEventListener('click', () => {
			this.watching = true
			this.draw()
		})
		const focused = (document.activeElement as HTMLElement | null)?.dataset['animal']
		need('animals').replaceChildren(...free(names).slice(0, FREE_SHOWN).map((name) => choice(name, () => void this.join(name))), watch)
		need('taken').replaceChildren(...names.map((name) => choice(name, () => void this.sit(name).then(() => this.draw()))))
		need('back').hidden = names.length === 0
		if (focused) need('who').querySelector<HTMLElement>(`[data-animal="${focused}"]`)?.focus()
	}

	private clock(): void {
		const ms = this.endsAt - performance.now()
		const place = need('left')
		place.textContent = this.lives ? `${left(ms)} left` : ''
		place.classList.toggle('left-little', this.lives && ms < LITTLE_MS)
	}

	// --- what the reader does

	private async join(name: string): Promise<void> {
		const id = this.session.language?.split('@')[0]
		const listed = id ? await attempt(json<{ languages: Language[] }>(`${base}v1/languages`), 'The start files cannot be had') : { languages: [] }
		if (!listed) return
		const of = listed.languages.find((one) => one.id === id)
		const start = of ? (Object.keys(of.start).length ? of.start : { [of.source_file ?? `main.${of.extensions[0] ?? 'txt'}`]: of.hello ?? '' }) : {}
		if (!(await attempt(sessions.join(this.id, name, start), `Nobody became the ${name}`))) {
			await this.refresh()
			return
		}
		await this.sit(name)
		await this.refresh()
	}

	private async sit(name: string): Promise<void> {
		const files = await attempt(sessions.files(this.id, name), `The files of the ${name} cannot be had`)
		if (!files) return
		this.watching = false
		write(`kiln.dojo.${this.id}.${this.session.created_ms}`, name)
		this.desk.sit(name, files)
		const latest = this.runs.filter(({ user }) => user === name).at(-1)
		if (latest) await this.choose(latest.number)
	}

	private async choose(number: number): Promise<void> {
		const run = this.runs.find((one) => one.number === number)
		if (!run) return
		const shown = this.light.open(run, this.runs)
		this.draw()
		await shown
	}

	/** The light of the test that has just ended is shown. */
	private async tested(id: string | undefined): Promise<void> {
		await this.refresh().catch(() => {})
		const run = this.runs.find((one) => one.id === id)
		if (run) await this.choose(run.number)
	}

	private async forked(what: { user?: string; run?: number }): Promise<void> {
		const made = await attempt(sessions.fork(this.id, what), 'Not forked')
		if (made) notice(['Forked: ', el('a', { href: encodeURIComponent(made.id), id: 'forked' }, made.id)])
	}

	private async askFork(): Promise<void> {
		const dialog = need<HTMLDialogElement>('fork-dialog')
		const of = need<HTMLSelectElement>('fork-of')
		of.replaceChildren(el('option', { value: '' }, 'all animals'), ...this.session.users.map(({ name }) => el('option', { value: name }, `the ${name} alone`)))
		of.value = this.desk.name
		dialog.returnValue = ''
		dialog.onclose = () => {
			if (dialog.returnValue === 'use') void this.forked(of.value ? { user: of.value } : {})
		}
		dialog.showModal()
	}

	private wire(): void {
		const changed = async (what: Promise<Session>, whatFor: string): Promise<void> => {
			if (await attempt(what, whatFor)) await this.refresh()
		}
		need('prolong').addEventListener('click', () => void changed(sessions.prolong(this.id, Math.round(Math.max(0, this.endsAt - performance.now())) + HOUR_MS), 'Not prolonged'))
		need('reopen').addEventListener('click', () => void changed(sessions.reopen(this.id), 'Not opened again'))
		need('finish').addEventListener('click', () => {
			void sure('Finish this dojo for everybody? Files and lights can be read, nothing runs any more.', 'Finish').then((is) => (is ? changed(sessions.finish(this.id), 'Not finished') : undefined))
		})
		need('fork').addEventListener('click', () => void this.askFork())
		need('fork-light').addEventListener('click', () => void this.forked({ run: this.light.number }))
		need('leave').addEventListener('click', () => {
			this.desk.stand()
			write(`kiln.dojo.${this.id}.${this.session.created_ms}`, '')
			this.draw()
		})
	}
}

themeButton()
closers()
const id = base ? decodeURIComponent(location.pathname.split('/').pop() ?? '') : ''
void (id ? new Dojo(id).begin() : lobby(sessions))
