// The numbers of a run: the bars under the verdict, the phases of its time, and each step.
import type { RunResult, Step, Timing } from '../common/api'
import { el, svg } from '../common/dom'
import { bytesUsed, ms, signalName, us } from '../common/format'
import type { Measure } from './verdict'

export function bars(host: HTMLElement, measures: Measure[]): void {
	host.replaceChildren(
		...measures.map(({ label, used, limit, text }) => {
			const bar = el('progress', { max: limit, value: Math.min(used, limit), className: used >= limit * 0.98 ? 'full' : '' })
			bar.setAttribute('aria-label', `${label}: ${text}`)
			return el('div', { className: 'measure' }, `${label} `, el('span', {}, text), bar)
		}),
	)
}

const phases: [keyof Timing, string][] = [
	['queue_us', 'Waiting for a turn'],
	['acquire_us', 'Getting a sandbox'],
	['upload_us', 'Sending the files'],
	['exec_us', 'Running'],
	['collect_us', 'Fetching what it made'],
]

function timing(times: Timing): HTMLElement {
	const total = Math.max(1, phases.reduce((sum, [name]) => sum + times[name], 0))
	const strip = svg('svg', { viewBox: '0 0 1000 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' })
	let at = 0
	const rows = phases.map(([name, label], i) => {
		const width = (1000 * times[name]) / total
		strip.append(svg('rect', { x: at, y: 0, width, height: 10, class: `phase-${i + 1}` }))
		at += width
		const dot = svg('svg', { viewBox: '0 0 10 10', class: 'dot', 'aria-hidden': 'true' }, svg('rect', { width: 10, height: 10, rx: 3, class: `phase-${i + 1}` }))
		return el('tr', {}, el('td', {}, dot, label), el('td', { className: 'number' }, us(times[name])), el('td', { className: 'number' }, `${Math.round((100 * times[name]) / total)} %`))
	})
	const all = el('tr', {}, el('th', { scope: 'row' }, 'All of it'), el('td', { className: 'number' }, us(times.total_us)), el('td', {}))
	const head = el('thead', { className: 'unseen' }, el('tr', {}, el('th', { scope: 'col' }, 'Phase'), el('th', { scope: 'col' }, 'Time'), el('th', { scope: 'col' }, 'Share')))
	return el('section', { className: 'details-part' }, el('h2', {}, 'Where the time went'), el('div', { className: 'phases' }, strip), el('table', {}, head, el('tbody', {}, ...rows, all)))
}

function end(step: Step): string {
	if (step.exit_code !== null) return `exit code ${step.exit_code}`
	return step.signal === null ? '' : signalName(step.signal)
}

function steps(result: RunResult): HTMLElement {
	const heads = ['Step', 'Outcome', 'End', 'Time', 'Processor', 'Memory', 'Processes']
	const rows = result.steps.map((step) =>
		el('tr', {}, el('td', {}, `${step.name}${step.cached ? ' (cached)' : ''}`), el('td', {}, step.outcome.replaceAll('_', ' ')), el('td', {}, end(step)),
			el('td', { className: 'number' }, ms(step.wall_ms)), el('td', { className: 'number' }, ms(step.cpu_ms)),
			el('td', { className: 'number' }, bytesUsed(step.memory_peak_bytes)), el('td', { className: 'number' }, String(step.processes_peak))),
	)
	const table = el('table', {}, el('thead', {}, el('tr', {}, ...heads.map((head, i) => el('th', { scope: 'col', className: i > 2 ? 'number' : '' }, head)))), el('tbody', {}, ...rows))
	const notes = result.steps.flatMap(({ name, limit }) => (limit ? [el('p', {}, `${name}: the limit ${limit.name} was enforced by ${limit.enforced_by === 'cgroup' ? 'the kernel (cgroup)' : limit.enforced_by}.`)] : []))
	return el('section', { className: 'details-part' }, el('h2', {}, 'Steps'), el('div', { className: 'scroll' }, table), ...notes)
}

export function details(panel: HTMLElement, result: RunResult): void {
	const missing = result.unenforced?.length ? [el('p', { className: 'notice' }, `This host cannot enforce: ${result.unenforced.join(', ')}.`)] : []
	panel.replaceChildren(timing(result.timing), steps(result), ...missing, el('p', { className: 'hint' }, `Run ${result.id}`))
}
