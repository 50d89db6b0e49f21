// One light: what its test printed, what it left, and what has changed between it and another one of the same animal.
import { decoded, type RunResult } from '../common/api'
import { el, need } from '../common/dom'
import { bytes, ms, plural } from '../common/format'
import { visible } from '../common/visible'
import { Output } from '../playground/output'
import { views } from '../playground/tabs'
import { verdict } from '../playground/verdict'
import { type FileDiff, diffs, type Line } from './diff'
import { words } from './lights'
import type { Past, SessionFiles, Whole } from './session'

const CONTEXT = 3
const LINES_SHOWN = 2000
const FILES_SHOWN = 100
const CHARACTERS_SHOWN = 256 * 1024

function signed(text: string): (string | HTMLElement)[] {
	return visible(text).map(({ text: piece, what }) => (what ? el('span', { className: 'sign', title: what }, piece) : piece))
}

function texts(files: SessionFiles): Record<string, string> {
	return Object.fromEntries(Object.entries(files).filter(([, { encoding }]) => encoding === 'utf-8').map(([name, { content }]) => [name, content]))
}

const marks: Record<Line['kind'], string> = { same: ' ', gone: '−', new: '+' }
const spoken: Record<Line['kind'], string> = { same: '', gone: 'gone: ', new: 'new: ' }

function drawn({ kind, text }: Line): HTMLElement {
	const bare = text.endsWith('\n') ? text.slice(0, -1) : text
	const end = text.endsWith('\n') ? [] : [el('span', { className: 'hint' }, ' (no end of line)')]
	const mark = el('span', { className: 'mark' }, marks[kind])
	mark.ariaHidden = 'true'
	const said = spoken[kind] ? [el('span', { className: 'unseen' }, spoken[kind])] : []
	return el('div', { className: kind }, mark, ...said, el('bdi', { className: 'text', dir: 'ltr' }, ...signed(bare), ...end))
}

/** The lines that changed with some around them, of a bounded number. */
function context(lines: Line[]): HTMLElement[] {
	const near = lines.map(() => false)
	lines.forEach(({ kind }, i) => {
		if (kind !== 'same') for (let at = Math.max(0, i - CONTEXT); at <= Math.min(lines.length - 1, i + CONTEXT); at++) near[at] = true
	})
	const shown: HTMLElement[] = []
	let skipped = 0
	const skip = (): void => {
		if (skipped) shown.push(el('div', { className: 'skipped' }, `${plural(skipped, 'line')} as before`))
		skipped = 0
	}
	for (const [i, line] of lines.entries()) {
		if (shown.length >= LINES_SHOWN) {
			shown.push(el('div', { className: 'skipped' }, `${plural(lines.length - i, 'more line')} not shown`))
			return shown
		}
		if (near[i]) {
			skip()
			shown.push(drawn(line))
		} else skipped++
	}
	skip()
	return shown
}

const hows: Record<FileDiff['how'], string> = { same: 'as before', changed: 'changed', gone: 'deleted', new: 'new' }

function card(name: string, said: string, ...lines: HTMLElement[]): HTMLElement {
	const body = lines.length ? [el('div', { className: 'lines', tabIndex: 0, attrs: { role: 'region', 'aria-label': `Lines of ${name}` } }, ...lines)] : []
	return el('article', { className: 'file' }, el('header', {}, el('h2', {}, ...signed(name)), el('span', { className: 'hint' }, said)), ...body)
}

function changeCard({ name, how, lines, gone, added }: FileDiff): HTMLElement {
	return card(name, `${hows[how]}, ${plural(added, 'line')} more, ${plural(gone, 'line')} less`, ...context(lines))
}

function fileCard(name: string, { content, encoding }: SessionFiles[string]): HTMLElement {
	if (encoding !== 'utf-8') return card(name, 'bytes that are no text')
	const lines = content.slice(0, CHARACTERS_SHOWN).split(/(?<=\n)/)
	const rest = lines.length > LINES_SHOWN || content.length > CHARACTERS_SHOWN ? [el('div', { className: 'skipped' }, 'The rest is not shown.')] : []
	return card(name, bytes(new TextEncoder().encode(content).length), ...lines.slice(0, LINES_SHOWN).map((text) => drawn({ kind: 'same', text })), ...rest)
}

export class Light {
	private output = new Output(need('lines'), need('output-note'))
	private show = views(need('views'))
	private from = need<HTMLSelectElement>('from')
	private to = need<HTMLSelectElement>('to')
	private fetched = new Map<number, Promise<Whole>>()
	private own: Past[] = []
	private turn = 0
	/** Number of the run that is shown; 0: none. */
	number = 0

	constructor(private fetch: (number: number) => Promise<Whole>) {
		for (const choice of [this.from, this.to]) choice.addEventListener('change', () => void this.compare())
	}

	/** What is kept of a run does not change; only the last few are remembered here. */
	private whole(number: number): Promise<Whole> {
		const known = this.fetched.get(number) ?? this.fetch(number)
		this.fetched.delete(number)
		this.fetched.set(number, known)
		known.catch(() => this.fetched.delete(number))
		if (this.fetched.size > 16) this.fetched.delete(this.fetched.keys().next().value as number)
		return known
	}

	/** Shows a run of the history; `result` is there when this page has just run it. */
	async open(run: Past, all: Past[], result?: RunResult): Promise<void> {
		const mine = ++this.turn
		const before = this.number
		this.number = run.number
		this.own = all.filter(({ user }) => user === run.user)
		need('light').hidden = false
		this.head(run, result)
		if (before === 0) this.show('tab-output')
		this.choices(run)
		if (result) void this.print(result, false)
		need('fork-light').hidden = true
		try {
			const whole = await this.whole(run.number)
			if (mine !== this.turn) return
			if (!result) {
				this.head(run, whole.result)
				await this.print(whole.result, whole.result.steps.some((step) => step.stdout_truncated || step.stderr_truncated))
			}
			need('fork-light').hidden = false
			this.files(whole.files)
		} catch (error) {
			if (mine !== this.turn) return
			if (!result) this.output.clear()
			need('verdict-text').textContent = `${need('verdict-text').textContent} ${(error as Error).message}.`
			need('view-files').replaceChildren(el('p', { className: 'hint' }, `${(error as Error).message}.`))
		}
		if (mine === this.turn) await this.compare()
		if (mine === this.turn) need('light').dataset['shown'] = String(run.number)
	}

	/** More lights are there to compare with. */
	update(all: Past[]): void {
		const shown = this.own[0]
		if (!shown) return
		this.own = all.filter(({ user }) => user === shown.user)
		const [from, to] = [this.from.value, this.to.value]
		this.options()
		this.from.value = from
		this.to.value = to
	}

	private head(run: Past, result?: RunResult): void {
		const at = this.own.findIndex(({ number }) => number === run.number) + 1
		const said = result ? verdict(result) : null
		need('verdict').dataset['kind'] = said?.kind ?? 'none'
		need('verdict-title').textContent = `${run.user}, light ${at}: ${words(run)}.`
		need('verdict-text').textContent = said ? `${said.title}. ${said.text}` : `${run.outcome.replaceAll('_', ' ')}, ${ms(run.wall_ms)}.`
	}

	private async print(result: RunResult, cut: boolean): Promise<void> {
		this.output.clear()
		need('output-cut').hidden = !cut
		for (const step of result.steps) {
			if (step.stdout) this.output.append('stdout', decoded(step.stdout, step.stdout_encoding))
			if (step.stderr) this.output.append('stderr', decoded(step.stderr, step.stderr_encoding))
		}
		await this.output.finish()
	}

	private files(files: SessionFiles): void {
		const all = Object.entries(files)
		need('tab-files').textContent = `Files (${all.length})`
		need('view-files').replaceChildren(...all.slice(0, FILES_SHOWN).map(([name, file]) => fileCard(name, file)))
		if (all.length > FILES_SHOWN) need('view-files').append(el('p', { className: 'hint' }, `${plural(all.length - FILES_SHOWN, 'more file')} not shown.`))
		if (all.length === 0) need('view-files').append(el('p', { className: 'hint' }, 'No text files.'))
	}

	private options(): void {
		const option = (run: Past, i: number): HTMLOptionElement => el('option', { value: String(run.number) }, `light ${i + 1}: ${words(run)}`)
		this.from.replaceChildren(...this.own.map(option))
		this.to.replaceChildren(...this.own.map(option))
	}

	private choices(run: Past): void {
		const at = this.own.findIndex(({ number }) => number === run.number)
		this.options()
		this.to.value = String(run.number)
		this.from.value = String((this.own[at - 1] ?? run).number)
	}

	private async compare(): Promise<void> {
		const mine = this.turn
		const [from, to] = [Number(this.from.value), Number(this.to.value)]
		const said = need('changes-said')
		try {
			const [old, now] = await Promise.all([this.whole(from), this.whole(to)])
			if (mine !== this.turn || from !== Number(this.from.value) || to !== Number(this.to.value)) return
			const all = diffs(texts(old.files), texts(now.files))
			const changed = all.filter(({ how }) => how !== 'same')
			const added = changed.reduce((sum, file) => sum + file.added, 0)
			const gone = changed.reduce((sum, file) => sum + file.gone, 0)
			said.textContent = from === to ? 'Choose two lights.' : changed.length ? `${plural(changed.length, 'file')} changed: ${plural(added, 'line')} more, ${plural(gone, 'line')} less.` : 'Nothing has changed between these two.'
			need('changes').replaceChildren(...changed.slice(0, FILES_SHOWN).map(changeCard))
			need('tab-changes').textContent = changed.length ? `Changes (${changed.length})` : 'Changes'
		} catch (error) {
			said.textContent = `They cannot be compared: ${(error as Error).message}.`
			need('changes').replaceChildren()
		}
		need('changes').dataset['of'] = `${from}-${to}`
	}
}
