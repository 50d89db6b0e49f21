// xterm.js, fetched when a terminal is first needed.
//
// It writes <style> elements and style attributes, which the Content-Security-Policy refuses. In place of the elements it is given ones whose text is a
// style sheet that the page adopts; and the attribute of its spans, the characters of a colour that is no class, goes through their style object.
import { FitAddon } from '@xterm/addon-fit'
import { Terminal } from '@xterm/xterm'
import xtermCss from '@xterm/xterm/css/xterm.css' with { type: 'text' }

function adopt(css: string): CSSStyleSheet {
	const sheet = new CSSStyleSheet()
	sheet.replaceSync(css)
	document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
	return sheet
}

function styleElement(): HTMLElement {
	const sheet = adopt('')
	const element = Document.prototype.createElement.call(document, 'span')
	element.hidden = true
	Object.defineProperty(element, 'textContent', { set: (css: string) => sheet.replaceSync(css) })
	element.remove = () => {
		document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet)
		HTMLElement.prototype.remove.call(element)
	}
	return element
}

HTMLSpanElement.prototype.setAttribute = function (name, value) {
	if (name === 'style') this.style.cssText = value
	else Element.prototype.setAttribute.call(this, name, value)
}

/** While it is opened it makes its style elements, all of them. */
function open(terminal: Terminal, host: HTMLElement): void {
	document.createElement = ((name: string) => (name === 'style' ? styleElement() : Document.prototype.createElement.call(document, name))) as typeof document.createElement
	try {
		terminal.open(host)
	} finally {
		delete (document as Partial<Document>).createElement
	}
}

export interface TerminalEvents {
	typed(bytes: Uint8Array): void
	resized(rows: number, cols: number): void
	/** The reader wants to leave it by keyboard. */
	left(): void
}

const MIN = { rows: 4, cols: 20 }
let styled = false

export class Screen {
	private terminal: Terminal
	private fit = new FitAddon()
	private queue: Uint8Array[] = []
	private writing = false
	private timer = 0

	constructor(host: HTMLElement, events: TerminalEvents) {
		if (!styled) adopt(xtermCss)
		styled = true
		this.terminal = new Terminal({
			allowProposedApi: false,
			cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
			fontFamily: '"Cascadia Code", "JetBrains Mono", "DejaVu Sans Mono", "Liberation Mono", monospace',
			fontSize: 14,
			// Links that a program prints lead nowhere.
			linkHandler: { activate: () => {} },
			minimumContrastRatio: 4.5,
			screenReaderMode: true,
			scrollback: 5000,
			theme: { background: '#16120f', foreground: '#efe6dc', cursor: '#ffb347', selectionBackground: '#5a3a22' },
		})
		this.terminal.loadAddon(this.fit)
		open(this.terminal, host)
		this.terminal.attachCustomKeyEventHandler((event) => {
			if (event.key !== 'Escape' || !event.shiftKey) return true
			if (event.type === 'keydown') events.left()
			return false
		})
		this.terminal.onData((text) => events.typed(new TextEncoder().encode(text)))
		this.terminal.onBinary((text) => events.typed(Uint8Array.from(text, (character) => character.charCodeAt(0))))
		this.terminal.onResize(({ rows, cols }) => events.resized(rows, cols))
		new ResizeObserver(() => {
			clearTimeout(this.timer)
			this.timer = window.setTimeout(() => this.measure(), 50)
		}).observe(host)
		this.measure()
	}

	get size(): { rows: number; cols: number } {
		return { rows: this.terminal.rows, cols: this.terminal.cols }
	}

	/** One piece after the other, so that the terminal is never given more than it can draw in between. */
	write(bytes: Uint8Array): void {
		this.queue.push(bytes)
		if (!this.writing) this.next()
	}

	reset(): void {
		this.queue = []
		this.terminal.reset()
	}

	focus(): void {
		this.terminal.focus()
	}

	private next(): void {
		const first = this.queue[0]
		this.writing = first !== undefined
		if (!first) return
		const piece = first.subarray(0, 32 * 1024)
		if (piece.length === first.length) this.queue.shift()
		else this.queue[0] = first.subarray(piece.length)
		this.terminal.write(piece, () => this.next())
	}

	private measure(): void {
		const size = this.fit.proposeDimensions()
		if (size && Number.isFinite(size.cols) && Number.isFinite(size.rows)) this.terminal.resize(Math.max(MIN.cols, size.cols), Math.max(MIN.rows, size.rows))
	}
}
