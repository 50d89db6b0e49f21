// kiln.js: makes snippets of any page runnable.
//
//   <script src="https://kiln.example.org/kiln.js" defer></script>
//   <pre class="kiln" data-language="python">print("Hello")</pre>
//
// Each becomes an editor with a Run button, in a shadow tree with a style sheet of its own, so that neither the page's styles nor its
// Content-Security-Policy for styles matter. It speaks to the kiln that the script came from, which must allow the page's origin.
import { ApiError, type RunRequest } from '../common/api'
import { el } from '../common/dom'
import { httpAt, liveAt, type Run, type Transport } from '../common/transport'
import { split } from '../playground/args'
import { Output } from '../playground/output'
import { packed } from '../playground/share'
import { verdict } from '../playground/verdict'
import styles from '../style/widget.css' with { type: 'text' }

/** The name of the one source file of each language, put in when this is built. */
declare const SOURCE_FILES: Record<string, string>

const base = new URL('.', (document.currentScript as HTMLScriptElement).src).href
let sheet: CSSStyleSheet | null = null
let way: Promise<Transport> | null = null

function transport(): Promise<Transport> {
	way ??= liveAt(base).then((live) => live ?? httpAt(base))
	return way.then((found) => {
		if (found.open) return found
		way = null
		return transport()
	})
}

function styled(root: ShadowRoot): void {
	if (!sheet) {
		sheet = new CSSStyleSheet()
		sheet.replaceSync(styles)
	}
	root.adoptedStyleSheets = [sheet]
}

class Snippet {
	private source: HTMLTextAreaElement
	private runButton = el('button', { type: 'button', className: 'run' }, 'Run')
	private resetButton = el('button', { type: 'button' }, 'Reset')
	private openLink = el('a', { href: base, target: '_blank', rel: 'noopener' }, 'Open in the playground')
	private said = el('p', { className: 'said', attrs: { role: 'status' } })
	private panel = el('div', { className: 'panel', hidden: true })
	private output: Output
	private current: Run | null = null
	private language: string
	private file: string
	private original: string

	constructor(
		private pre: HTMLPreElement,
		number: number,
	) {
		this.language = pre.dataset['language'] ?? 'python'
		this.file = pre.dataset['file'] ?? SOURCE_FILES[this.language.split('@')[0] as string] ?? 'main.txt'
		this.original = (pre.textContent ?? '').replace(/^\n/, '')
		this.source = el('textarea', { value: this.original, spellcheck: false, autocapitalize: 'off', attrs: { 'aria-label': `Program ${number}, in ${this.language}`, wrap: 'off' } })
		const lines = el('div', { className: 'lines' })
		const scroller = el('div', { className: 'output', tabIndex: 0, attrs: { role: 'region', 'aria-label': `What program ${number} printed` } }, lines)
		const note = el('p', { className: 'note', hidden: true })
		this.output = new Output(lines, note)
		this.panel.append(note, scroller, this.said)
		const host = el('div', { className: 'kiln-snippet' })
		const root = host.attachShadow({ mode: 'open' })
		styled(root)
		root.append(el('div', { className: 'snippet' }, this.source, el('div', { className: 'row' }, this.runButton, this.resetButton, el('span', { className: 'name' }, this.language), this.openLink), this.panel))
		this.wire()
		this.grow()
		pre.replaceWith(host)
	}

	private wire(): void {
		this.runButton.addEventListener('click', () => (this.current ? this.current.cancel() : void this.run()))
		this.resetButton.addEventListener('click', () => {
			this.source.value = this.original
			this.grow()
		})
		this.source.addEventListener('input', () => this.grow())
		this.source.addEventListener('keydown', (event) => {
			if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
			event.preventDefault()
			if (!this.current) void this.run()
		})
		this.openLink.addEventListener('pointerenter', () => void this.link())
		this.openLink.addEventListener('focus', () => void this.link())
	}

	/** As high as the text, up to a bound of the style sheet. */
	private grow(): void {
		this.source.rows = Math.max(2, this.source.value.split('\n').length)
	}

	private async link(): Promise<void> {
		const { stdin, args } = this.pre.dataset
		const program = { language: this.language.split('@')[0] as string, files: { [this.file]: this.source.value }, ...(stdin && { stdin }), ...(args && { args }) }
		this.openLink.href = await packed(program).then((text) => `${base}#p=${text}`, () => base)
	}

	private request(): RunRequest {
		const { stdin, args } = this.pre.dataset
		return { language: this.language, files: { [this.file]: this.source.value }, ...(stdin && { stdin }), ...(args && { args: split(args) }) }
	}

	private show(text: string, kind: string): void {
		this.said.textContent = text
		this.said.dataset['kind'] = kind
	}

	private async run(): Promise<void> {
		this.output.clear()
		this.panel.hidden = false
		this.show('Running…', 'running')
		this.runButton.disabled = true
		try {
			const found = await transport()
			this.current = found.start(
				{ request: this.request() },
				{
					queued: (position) => this.show(`Waiting, place ${position}.`, 'running'),
					started: () => this.show('Running…', 'running'),
					output: (stream, bytes) => this.output.append(stream, bytes),
					result: (result) => {
						const { title, text, kind } = verdict(result)
						// What it printed stands there before it is said to be over.
						void this.output.finish().then(() => this.over(`${title}. ${text}`, kind))
					},
					failed: (error) => this.over(`Not run: ${error.message}.`, 'broken'),
				},
			)
			this.runButton.textContent = 'Stop'
		} catch (error) {
			this.over(error instanceof ApiError || error instanceof Error ? error.message : 'Not run.', 'broken')
		}
		this.runButton.disabled = false
	}

	private over(text: string, kind: string): void {
		this.current = null
		this.runButton.textContent = 'Run'
		this.show(text, kind)
	}
}

function begin(): void {
	document.querySelectorAll<HTMLPreElement>('pre.kiln').forEach((pre, i) => new Snippet(pre, i + 1))
}

if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', begin)
else begin()
