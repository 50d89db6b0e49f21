// What became of a run, in a sentence.
import type { Limits, Reached, RunResult, Step } from '../common/api'
import { bytes, bytesUsed, ms, plural, signalName } from '../common/format'

export interface Verdict {
	kind: 'good' | 'bad' | 'limit' | 'broken'
	title: string
	/** Whole sentences. */
	text: string
}

const sizes = new Set(['memory_bytes', 'output_bytes', 'disk_bytes', 'file_bytes'])

const words: Record<string, { of: string; used: string }> = {
	wall_ms: { of: '', used: 'it had run for {}' },
	cpu_ms: { of: ' of processor time', used: '{} were used' },
	memory_bytes: { of: '', used: '{} were used' },
	processes: { of: '', used: '{} were there' },
	output_bytes: { of: ' of output', used: '{} were printed' },
	disk_bytes: { of: ' on disk', used: '{} were written' },
	file_bytes: { of: ' in one file', used: '{} were written' },
}

function amount(name: string, value: number, used: boolean): string {
	if (sizes.has(name)) return used ? bytesUsed(value) : bytes(value)
	return name === 'processes' ? plural(value, 'process', 'processes') : ms(value)
}

/** "killed at 256 MiB: the limit; 255.9 MiB were used" */
export function reached(limit: Reached): string {
	const word = words[limit.name] ?? { of: '', used: '{} were used' }
	const verb = limit.name === 'processes' || limit.name === 'disk_bytes' || limit.name === 'file_bytes' ? 'stopped' : 'killed'
	return `${verb} at ${amount(limit.name, limit.value, false)}${word.of}: the limit; ${word.used.replace('{}', amount(limit.name, limit.used, true))}`
}

const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

function ended(step: Step): string {
	if (step.limit) return reached(step.limit)
	if (step.signal !== null) return `killed by ${signalName(step.signal)}, which kiln did not send`
	return `ended with exit code ${step.exit_code ?? 'unknown'}`
}

function took(step: Step): string {
	return `${ms(step.wall_ms)}, ${bytesUsed(step.memory_peak_bytes)} of memory`
}

export function verdict(result: RunResult): Verdict {
	const step = result.steps.at(-1)
	const name = result.outcome
	if (name === 'cancelled') return { kind: 'bad', title: 'Stopped', text: step ? `Stopped by you after ${took(step)}.` : 'Stopped by you before it began.' }
	if (!step || name === 'engine_error') return { kind: 'broken', title: 'kiln failed', text: `That is kiln's own fault: ${step?.error ?? step?.explanation ?? 'no reason was given'}.` }
	const again = step.cached ? ' The step was answered from the cache: times and memory are those of when it ran.' : ''
	if (name === 'ok') return { kind: 'good', title: 'Finished', text: `Exit code 0 after ${took(step)}.${again}` }
	const sentence = `${upper(ended(step))}.`
	if (name === 'compile_failed') return { kind: 'bad', title: 'Not compiled', text: `The compiler: ${ended(step)}.${again}` }
	if (step.limit) return { kind: 'limit', title: limitTitles[name] ?? 'At a limit', text: sentence }
	return { kind: 'bad', title: name === 'signaled' ? 'Crashed' : 'Failed', text: `${sentence.slice(0, -1)}, after ${took(step)}.` }
}

const limitTitles: Record<string, string> = {
	wall_time_exceeded: 'Took too long',
	cpu_time_exceeded: 'Too much processor time',
	memory_exceeded: 'Out of memory',
	output_exceeded: 'Too much output',
	disk_exceeded: 'Disk full',
	processes_exceeded: 'Too many processes',
}

export interface Measure {
	label: string
	used: number
	limit: number
	text: string
}

/** What the last step used, beside the limits that held. */
export function measures(step: Step, limits: Limits): Measure[] {
	const of = (label: string, name: keyof Limits, used: number): Measure[] => {
		const limit = step.limit?.name === name ? step.limit.value : limits[name]
		return limit ? [{ label, used, limit, text: `${amount(name, used, true)} of ${amount(name, limit, false)}` }] : []
	}
	return [...of('Time', 'wall_ms', step.wall_ms), ...of('Processor', 'cpu_ms', step.cpu_ms), ...of('Memory', 'memory_bytes', step.memory_peak_bytes)]
}
