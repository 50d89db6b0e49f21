// /dojo: make a session, or go to one that is there.
import { json, type Language } from '../common/api'
import { el, need } from '../common/dom'
import { plural } from '../common/format'
import { attempt } from './notice'
import type { Session, Sessions } from './session'
import { left } from './time'

const goTo = (id: string): void => location.assign(`dojo/${encodeURIComponent(id)}`)

function languages(all: Language[]): void {
	const choice = need<HTMLSelectElement>('language')
	const group = (label: string, some: Language[]): HTMLOptGroupElement => el('optgroup', { label }, ...some.map(({ id, name }) => el('option', { value: id }, name)))
	const ready = all.filter(({ available }) => available).sort((a, b) => a.name.localeCompare(b.name))
	const tested = ready.filter(({ start }) => Object.keys(start).length > 0)
	choice.replaceChildren(group('Test frameworks', tested), group('Languages', ready.filter((one) => !tested.includes(one))))
	choice.disabled = ready.length === 0
	need<HTMLButtonElement>('make-button').disabled = ready.length === 0
	const first = tested.find(({ id }) => id.startsWith('python-')) ?? tested[0]
	if (first) choice.value = first.id
}

function item({ id, state, language, image, users, ttl_left_ms }: Session): HTMLElement {
	const time = state === 'open' || state === 'starting' ? `${left(ttl_left_ms)} left` : state
	return el('li', {}, el('a', { href: `dojo/${encodeURIComponent(id)}` }, id), ` ${language ?? image ?? ''}, ${plural(users.length, 'animal')}, ${time}`)
}

async function make(sessions: Sessions): Promise<void> {
	const id = need<HTMLInputElement>('name').value.trim()
	const button = need<HTMLButtonElement>('make-button')
	button.disabled = true
	const request = { language: need<HTMLSelectElement>('language').value, ttl_ms: Number(need<HTMLSelectElement>('ttl').value), ...(id && { id }) }
	const made = await attempt(sessions.make(request), 'No dojo was made')
	button.disabled = false
	if (made) goTo(made.id)
}

export async function lobby(sessions: Sessions): Promise<void> {
	need('lobby').hidden = false
	need('make').addEventListener('submit', (event) => {
		event.preventDefault()
		void make(sessions)
	})
	need('visit').addEventListener('submit', (event) => {
		event.preventDefault()
		const id = need<HTMLInputElement>('visit-name').value.trim()
		if (id) goTo(id)
	})
	const listed = await attempt(json<{ languages: Language[] }>('v1/languages'), 'The languages cannot be listed')
	if (listed) languages(listed.languages)
	const open = await attempt(sessions.list(), 'The dojos cannot be listed')
	need('open').replaceChildren(...(open?.length ? open.map(item) : [el('li', {}, 'None yet.')]))
	need('lobby').dataset['ready'] = 'yes'
}
