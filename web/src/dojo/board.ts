// The row of traffic lights of each animal.
import { el, need } from '../common/dom'
import { colour, signs, words } from './lights'
import type { Past } from './session'

function lamp(run: Past, at: number, chosen: boolean): HTMLElement {
	const of = colour(run)
	const said = `${run.user}, light ${at}: ${words(run)}`
	const button = el('button', { type: 'button', className: 'lamp', title: said, ariaLabel: said, ariaPressed: String(chosen) }, signs[of])
	button.dataset['colour'] = of
	button.dataset['number'] = String(run.number)
	return el('li', {}, button)
}

export class Board {
	private rows = need('rows')

	constructor(choose: (number: number) => void) {
		this.rows.addEventListener('click', ({ target }) => {
			const number = Number((target as HTMLElement).closest<HTMLElement>('.lamp')?.dataset['number'])
			if (number) choose(number)
		})
		this.rows.addEventListener('keydown', (event) => {
			const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
			const lamps = [...this.rows.querySelectorAll<HTMLElement>('.lamp')]
			const at = lamps.indexOf(document.activeElement as HTMLElement)
			if (!step || at < 0) return
			event.preventDefault()
			lamps[at + step]?.focus()
		})
	}

	draw(users: { name: string; running: boolean }[], runs: Past[], mine: string, chosen: number): void {
		const focused = this.rows.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset['number'] : undefined
		const names = [...new Set([...users.map(({ name }) => name), ...runs.map(({ user }) => user)])]
		const rows = names.map((name) => {
			const own = runs.filter(({ user }) => user === name)
			const lamps = own.length ? el('ol', {}, ...own.map((run, i) => lamp(run, i + 1, run.number === chosen))) : el('p', { className: 'hint' }, 'No test yet.')
			const row = el('div', { className: name === mine ? 'row mine' : 'row' }, el('h2', {}, name), lamps)
			row.dataset['user'] = name
			return row
		})
		this.rows.replaceChildren(...(rows.length ? rows : [el('p', { className: 'hint lights-none' }, 'Nobody is here yet.')]))
		if (focused) this.rows.querySelector<HTMLElement>(`[data-number="${focused}"]`)?.focus()
	}
}
