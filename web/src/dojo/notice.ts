// The one line at the top of the page that says what went wrong, or well.
import { need } from '../common/dom'

export function notice(text: string | (Node | string)[], bad = false): void {
	const place = need('notice')
	place.hidden = text.length === 0
	place.replaceChildren(...(typeof text === 'string' ? [text] : text))
	place.classList.toggle('bad', bad)
}

/** Does something, and says so when it could not be done. */
export async function attempt<T>(what: Promise<T>, whatFor: string): Promise<T | null> {
	try {
		return await what
	} catch (error) {
		notice(`${whatFor}: ${(error as Error).message}.`.replace('..', '.'), true)
		return null
	}
}
