// Input, arguments, limits, and an archive: what a run is given beside its files.
import type { Language, LimitName, Limits } from '../common/api'
import { el, need } from '../common/dom'
import { bytes, ms } from '../common/format'
import { split } from './args'

const MiB = 1024 * 1024

const fields: { name: LimitName; label: string; unit: number; say: (value: number) => string }[] = [
	{ name: 'wall_ms', label: 'Time, seconds', unit: 1000, say: ms },
	{ name: 'cpu_ms', label: 'Processor, seconds', unit: 1000, say: ms },
	{ name: 'memory_bytes', label: 'Memory, MiB', unit: MiB, say: bytes },
	{ name: 'processes', label: 'Processes', unit: 1, say: String },
	{ name: 'output_bytes', label: 'Output, MiB', unit: MiB, say: bytes },
	{ name: 'disk_bytes', label: 'Disk, MiB', unit: MiB, say: bytes },
]

export class Options {
	private stdinField = need<HTMLTextAreaElement>('stdin')
	private argsField = need<HTMLInputElement>('args')
	private terminalField = need<HTMLInputElement>('terminal')
	private archiveField = need<HTMLInputElement>('archive')
	private inputs = new Map<LimitName, HTMLInputElement>()
	private defaults: Limits = {}

	constructor(changed: () => void) {
		for (const { name, label } of fields) {
			const input = el('input', { type: 'number', min: '0', step: 'any', inputMode: 'decimal' })
			this.inputs.set(name, input)
			need('limits').append(el('label', {}, label, input))
		}
		need('options').addEventListener('input', () => {
			this.say()
			changed()
		})
		this.archiveField.addEventListener('change', () => this.say())
		need('archive-remove').addEventListener('click', () => {
			this.archiveField.value = ''
			this.say()
			this.archiveField.focus()
		})
	}

	get stdin(): string {
		return this.stdinField.value
	}

	get argsText(): string {
		return this.argsField.value
	}

	get args(): string[] {
		return split(this.argsField.value)
	}

	get terminal(): boolean {
		return this.terminalField.checked
	}

	get archive(): File | undefined {
		return this.archiveField.files?.[0]
	}

	/** Those that the reader set. */
	get limits(): Limits {
		const limits: Limits = {}
		for (const { name, unit } of fields) {
			const text = this.inputs.get(name)?.value ?? ''
			if (text && Number(text) > 0) limits[name] = Math.max(1, Math.round(Number(text) * unit))
		}
		return limits
	}

	/** Those that hold for the last step. */
	get effective(): Limits {
		return { ...this.defaults, ...this.limits }
	}

	set(values: { stdin?: string; args?: string; limits?: Limits; terminal?: boolean }): void {
		this.stdinField.value = values.stdin ?? ''
		this.argsField.value = values.args ?? ''
		this.terminalField.checked = values.terminal ?? false
		for (const { name, unit } of fields) {
			const value = values.limits?.[name]
			;(this.inputs.get(name) as HTMLInputElement).value = value ? String(value / unit) : ''
		}
		this.say()
	}

	/** Shows what holds when nothing is said, and what this node allows at most. */
	language(language: Language, ceilings: Limits): void {
		this.defaults = language.steps.at(-1)?.limits ?? {}
		for (const { name, unit, say } of fields) {
			const input = this.inputs.get(name) as HTMLInputElement
			const usual = this.defaults[name]
			const ceiling = ceilings[name]
			input.placeholder = usual ? String(+(usual / unit).toFixed(3)) : ''
			if (ceiling) {
				input.max = String(ceiling / unit)
				input.title = `Usually ${usual ? say(usual) : 'none'}; at most ${say(ceiling)} here`
			}
		}
	}

	/** Whether the terminal can be had: only over a live connection. */
	terminalPossible(possible: boolean): void {
		need('terminal-label').hidden = !possible
		if (!possible) this.terminalField.checked = false
	}

	private say(): void {
		const set = Object.keys(this.limits).length
		const parts = [this.stdin && 'input', this.argsText.trim() && 'arguments', this.terminal && 'terminal', this.archive && 'archive', set && `${set} ${set === 1 ? 'limit' : 'limits'}`]
		const said = parts.filter(Boolean).join(', ')
		need('options-said').textContent = said ? `(${said})` : ''
		need('archive-said').textContent = this.archive ? `${this.archive.name}, ${bytes(this.archive.size)}` : 'A .tgz, .tar or .zip that is unpacked in the sandbox, below the files above.'
		need('archive-remove').hidden = !this.archive
	}
}
