// What one animal has in its editor, against what the server is known to have: what is to be sent with the next test, and what is kept in this browser so that
// closing it loses nothing. Pure.
import type { SessionFiles } from './session'
import { nameFault } from '../playground/share'

export type Texts = Record<string, string>

export interface Draft {
	/** What the server had. */
	base: Texts
	now: Texts
	/** What went with the last test, while it is not known whether it arrived. */
	sent?: Texts
}

const FILES_MAX = 64
const FILE_CHARACTERS = 256 * 1024

const has = (of: Texts, name: string): boolean => Object.hasOwn(of, name)

/** The files that an editor can show; the rest stays where it is. */
export function editable(files: SessionFiles): { texts: Texts; others: number } {
	const fit = Object.entries(files).filter(([name, { content, encoding }]) => encoding === 'utf-8' && !nameFault(name) && content.length <= FILE_CHARACTERS && !content.includes('\0'))
	const shown = fit.slice(0, FILES_MAX)
	return { texts: Object.fromEntries(shown.map(([name, { content }]) => [name, content])), others: Object.keys(files).length - shown.length }
}

/** Files to be written and to be deleted. */
export function changes({ base, now }: Draft): { files: Texts; gone: string[] } {
	return {
		files: Object.fromEntries(Object.entries(now).filter(([name, text]) => !has(base, name) || base[name] !== text)),
		gone: Object.keys(base).filter((name) => !has(now, name)),
	}
}

/** What the editor shows when the server has `server`: what was typed and did not arrive stays. */
export function resumed(server: Texts, kept: Draft | null): Texts {
	const shown = { ...server }
	if (!kept) return shown
	const { base, now, sent } = kept
	for (const name of new Set([...Object.keys(base), ...Object.keys(now)])) {
		if (base[name] === now[name]) continue
		if (sent && sent[name] === now[name] && server[name] !== base[name]) continue // it arrived
		if (has(now, name)) shown[name] = now[name] as string
		else delete shown[name]
	}
	return shown
}

const isTexts = (value: unknown): value is Texts => typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string')

/** What JSON made of a draft; null when it is none. */
export function parsed(text: string | null): Draft | null {
	try {
		const { base, now, sent } = JSON.parse(text ?? '') as Record<string, unknown>
		return isTexts(base) && isTexts(now) ? { base, now, ...(isTexts(sent) && { sent }) } : null
	} catch {
		return null
	}
}
