// A line chart of the last minutes, drawn by hand. What it shows stands beside it in words, too.
import { el, svg } from '../common/dom'

const WIDTH = 600
const HEIGHT = 120
const POINTS = 150

export interface Series {
	label: string
	/** Number of one of the colours of the style sheet. */
	colour: number
}

/** Rounds up to a number that reads well: 1, 2 or 5 and zeros. */
export function ceiling(value: number): number {
	if (value <= 0) return 1
	const power = 10 ** Math.floor(Math.log10(value))
	return ([1, 2, 5, 10].find((step) => step * power >= value * 0.999) ?? 10) * power
}

export class Chart {
	readonly element: HTMLElement
	private values: (number | null)[][] = []
	private lines: SVGElement[]
	private said: HTMLElement[]
	private top = el('span', { className: 'top-value' })
	private picture: SVGElement

	constructor(
		title: string,
		private series: Series[],
		private say: (value: number) => string,
		private most?: () => number,
		private unit = 1,
	) {
		this.lines = series.map(({ colour }) => svg('polyline', { class: `stroke-${colour}`, fill: 'none', 'vector-effect': 'non-scaling-stroke' }))
		this.said = series.map(() => el('b', {}, '–'))
		this.picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${title}, over time` }, ...this.lines)
		const legend = series.map(({ label, colour }, i) =>
			el('span', { className: 'key' }, svg('svg', { viewBox: '0 0 10 10', class: `dot fill-${colour}`, 'aria-hidden': 'true' }, svg('rect', { width: 10, height: 10, rx: 3 })), `${label} `, this.said[i] as HTMLElement),
		)
		this.element = el('section', { className: 'chart' }, el('h2', {}, title), el('div', { className: 'plot' }, this.top, this.picture), el('p', { className: 'legend' }, ...legend))
	}

	/** A value for each series; null where there is none now. */
	add(values: (number | null)[]): void {
		this.values.push(values)
		if (this.values.length > POINTS) this.values.shift()
		const known = this.values.flat().filter((value): value is number => value !== null)
		const top = this.unit * ceiling(Math.max(this.most?.() ?? 0, ...known) / this.unit)
		this.top.textContent = this.say(top)
		this.series.forEach((_, s) => {
			const points = this.values.flatMap((row, i) => {
				const value = row[s]
				const x = WIDTH - ((this.values.length - 1 - i) * WIDTH) / (POINTS - 1)
				return value === null || value === undefined ? [] : [`${x.toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 6)).toFixed(1)}`]
			})
			this.lines[s]?.setAttribute('points', points.join(' '))
			const now = values[s]
			;(this.said[s] as HTMLElement).textContent = now === null || now === undefined ? '–' : this.say(now)
		})
		this.picture.setAttribute('aria-label', this.series.map(({ label }, s) => `${label}: ${this.said[s]?.textContent}`).join(', '))
	}
}
