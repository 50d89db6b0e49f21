// What a program printed. All of it is kept as bytes, up to a bound, for the download; the page shows its end: the lines that fit into a bound that
// keeps any browser quick. Drawing happens once a frame and takes a few milliseconds of it, however fast the output comes.
import { bytes, plural } from '../common/format'
import { el } from '../common/dom'
import type { Stream } from '../common/transport'
import { visible } from '../common/visible'

const KEPT_BYTES = 160 * 1024 * 1024 // both streams at the node's largest ceiling
const SHOWN_BLOCKS = 40
const BLOCK_LINES = 100
const BLOCK_CHARACTERS = 16 * 1024
const LINE_CHARACTERS = 4000
const WAITING_BYTES = 1024 * 1024 // more than that is skipped, as it would be out of sight at once
const FRAME_MS = 6
const SLICE = 8 * 1024

interface Waiting {
	stream: Stream
	bytes: Uint8Array
}

export class Output {
	private kept: Waiting[] = []
	private keptBytes = 0
	private lost = 0
	private waiting: Waiting[] = []
	private waitingBytes = 0
	private skipped = 0
	private decoders!: Record<Stream, TextDecoder>
	private block!: HTMLElement
	private blockLines = 0
	private blockCharacters = 0
	private line: HTMLElement | null = null
	private lineCharacters = 0
	private carriage = false
	private frame = 0
	private drained: (() => void)[] = []

	/** `lines` takes the lines, `note` says what is not shown. */
	constructor(
		private lines: HTMLElement,
		private note: HTMLElement,
	) {
		this.clear()
	}

	clear(): void {
		cancelAnimationFrame(this.frame)
		this.frame = 0
		this.kept = []
		this.waiting = []
		this.keptBytes = this.lost = this.waitingBytes = this.skipped = 0
		this.decoders = { stdout: decoder(), stderr: decoder() }
		this.lines.replaceChildren()
		this.note.replaceChildren()
		this.note.hidden = true
		this.line = null
		this.carriage = false
		this.newBlock()
	}

	get size(): number {
		return this.keptBytes + this.lost
	}

	append(stream: Stream, data: Uint8Array): void {
		if (data.length === 0) return
		if (this.keptBytes + data.length <= KEPT_BYTES) {
			this.kept.push({ stream, bytes: data })
			this.keptBytes += data.length
		} else this.lost += data.length
		this.waiting.push({ stream, bytes: data })
		this.waitingBytes += data.length
		this.skip()
		this.frame ||= requestAnimationFrame(() => this.draw())
	}

	/** Nothing more comes: what was cut off within a character, or at a carriage return, is shown as it is. */
	async finish(): Promise<void> {
		await this.settled()
		for (const stream of ['stdout', 'stderr'] as const) {
			const rest = this.decoders[stream].decode()
			if (rest || this.carriage) this.put(stream, rest || ' ')
		}
	}

	/** All that was printed, in the order in which it came. */
	all(): BlobPart[] {
		return this.kept.map(({ bytes: part }) => part as BlobPart)
	}

	/** When all that came so far is on the page. */
	settled(): Promise<void> {
		return this.waiting.length === 0 ? Promise.resolve() : new Promise((resolve) => this.drained.push(resolve))
	}

	private skip(): void {
		while (this.waitingBytes > WAITING_BYTES) {
			const first = this.waiting[0] as Waiting
			const cut = Math.min(first.bytes.length, this.waitingBytes - WAITING_BYTES)
			first.bytes = first.bytes.subarray(cut)
			if (first.bytes.length === 0) this.waiting.shift()
			this.waitingBytes -= cut
			this.skipped += cut
			// What was cut off may have ended within a character.
			this.decoders[first.stream] = decoder()
		}
	}

	private draw(): void {
		const until = performance.now() + FRAME_MS
		const scroller = this.lines.parentElement as HTMLElement
		const follow = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40
		while (this.waiting.length > 0 && performance.now() < until) {
			const first = this.waiting[0] as Waiting
			const slice = first.bytes.subarray(0, SLICE)
			first.bytes = first.bytes.subarray(slice.length)
			this.waitingBytes -= slice.length
			if (first.bytes.length === 0) this.waiting.shift()
			this.print(first.stream, this.decoders[first.stream].decode(slice, { stream: true }))
		}
		while (this.lines.childElementCount > SHOWN_BLOCKS) {
			const oldest = this.lines.firstElementChild as HTMLElement
			this.skipped += Number(oldest.dataset['bytes'] ?? 0)
			oldest.remove()
		}
		this.say()
		if (follow) scroller.scrollTop = scroller.scrollHeight
		this.frame = this.waiting.length > 0 ? requestAnimationFrame(() => this.draw()) : 0
		if (!this.frame) for (const drained of this.drained.splice(0)) drained()
	}

	private say(): void {
		this.note.hidden = this.skipped === 0
		if (this.skipped === 0) return
		const lost = this.lost > 0 ? ` ${bytes(this.lost)} were more than a page can keep.` : ''
		this.note.textContent = `Only the end is shown: ${bytes(this.skipped)} before it are left out here, not in the download.${lost}`
	}

	private print(stream: Stream, text: string): void {
		let at = 0
		while (at < text.length) {
			const end = text.indexOf('\n', at)
			const stop = Math.min(end < 0 ? text.length : end, at + LINE_CHARACTERS - this.lineCharacters)
			this.put(stream, text.slice(at, stop))
			at = stop
			if (at === end) {
				this.carriage = false // "\r\n" is one end of a line
				this.endLine()
				at++
			} else if (this.lineCharacters >= LINE_CHARACTERS) this.endLine('cut')
		}
	}

	private put(stream: Stream, text: string): void {
		let shown = text
		if (this.carriage && shown) shown = `\r${shown}`
		this.carriage = shown.endsWith('\r')
		if (this.carriage) shown = shown.slice(0, -1)
		this.lineCharacters += text.length
		this.blockCharacters += text.length
		if (!shown) return
		this.line ??= this.newLine()
		const parent = el('bdi', { className: stream, dir: 'ltr' })
		for (const { text: piece, what } of visible(shown)) parent.append(what ? el('span', { className: 'sign', title: what }, piece) : piece)
		this.line.append(parent)
	}

	private newLine(): HTMLElement {
		const line = el('div', { className: 'line' })
		this.block.append(line)
		return line
	}

	private endLine(how = ''): void {
		this.line ??= this.newLine()
		if (how) this.line.classList.add(how)
		this.line = null
		this.blockCharacters++
		this.lineCharacters = 0
		this.blockLines++
		if (this.blockLines >= BLOCK_LINES || this.blockCharacters >= BLOCK_CHARACTERS) this.newBlock()
	}

	private newBlock(): void {
		if (this.block) this.block.dataset['bytes'] = String(this.blockCharacters)
		this.block = el('div', { className: 'block' })
		this.lines.append(this.block)
		this.blockLines = this.blockCharacters = this.lineCharacters = 0
	}

	/** For people who only hear the page. */
	summary(): string {
		const count = [...this.lines.children].reduce((sum, block) => sum + block.childElementCount, 0)
		return this.size === 0 ? 'It printed nothing.' : `It printed ${bytes(this.size)}${this.skipped ? '' : `, ${plural(count, 'line')}`}.`
	}
}

function decoder(): TextDecoder {
	return new TextDecoder('utf-8', { ignoreBOM: true })
}
