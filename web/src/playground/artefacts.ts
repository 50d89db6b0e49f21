// The files that came out of a run. Pictures are shown as pictures, from a blob whose type is one of a few that cannot run anything; an SVG too, since within an
// <img> it neither runs nor fetches. Nothing is ever opened as a document.
import { decoded, type ResultFile, type RunResult } from '../common/api'
import { download, el } from '../common/dom'
import { bytes, plural } from '../common/format'
import { visible } from '../common/visible'

const TEXT_SHOWN = 64 * 1024
const PIXELS_MAX = 50_000_000
const FILES_SHOWN = 200

interface Picture {
	type: string
	/** 0: not known. */
	pixels: number
}

const ascii = (data: Uint8Array, from: number, to: number): string => String.fromCharCode(...data.subarray(from, to))

/** What picture these bytes are, by themselves and not by their name. */
export function picture(name: string, data: Uint8Array): Picture | null {
	const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
	if (data.length >= 24 && ascii(data, 0, 8) === '\x89PNG\r\n\x1a\n') return { type: 'image/png', pixels: view.getUint32(16) * view.getUint32(20) }
	if (data.length >= 10 && /^GIF8[79]a$/.test(ascii(data, 0, 6))) return { type: 'image/gif', pixels: view.getUint16(6, true) * view.getUint16(8, true) }
	if (data.length >= 26 && ascii(data, 0, 2) === 'BM') return { type: 'image/bmp', pixels: Math.abs(view.getInt32(18, true) * view.getInt32(22, true)) }
	if (data.length >= 3 && ascii(data, 0, 3) === '\xff\xd8\xff') return { type: 'image/jpeg', pixels: 0 }
	if (data.length >= 12 && ascii(data, 0, 4) === 'RIFF' && ascii(data, 8, 12) === 'WEBP') return { type: 'image/webp', pixels: 0 }
	if (/\.svg$/i.test(name) && data.length < 1024 * 1024) return { type: 'image/svg+xml', pixels: 0 }
	return null
}

let urls: string[] = []

function shownPicture(name: string, data: Uint8Array): HTMLElement | null {
	const found = picture(name, data)
	if (!found) return null
	if (found.pixels > PIXELS_MAX) return el('p', { className: 'hint' }, `A picture of ${found.pixels.toLocaleString('en')} pixels: too large to be shown.`)
	const url = URL.createObjectURL(new Blob([data as BlobPart], { type: found.type }))
	urls.push(url)
	const image = el('img', { src: url, alt: `The picture ${name}`, decoding: 'async' })
	image.onerror = () => image.replaceWith(el('p', { className: 'hint' }, 'A picture that the browser cannot read.'))
	return image
}

function shownText(name: string, text: string): HTMLElement {
	const pre = el('pre', { tabIndex: 0, attrs: { 'aria-label': `Text of ${name}`, role: 'region' } })
	for (const line of text.slice(0, TEXT_SHOWN).split(/(?<=\n)/))
		for (const { text: piece, what } of visible(line)) pre.append(what ? el('span', { className: 'sign', title: what }, piece) : el('bdi', {}, piece))
	if (text.length > TEXT_SHOWN) pre.append(el('span', { className: 'hint' }, `\n… ${bytes(text.length - TEXT_SHOWN)} more; download it to see them.`))
	return pre
}

function card(name: string, how: string, file: ResultFile): HTMLElement {
	const data = decoded(file.content, file.encoding)
	const said = `${how}, ${bytes(data.length)}${file.truncated ? ', cut off' : ''}`
	const save = el('button', { type: 'button', ariaLabel: `Download ${name}` }, 'Download')
	save.addEventListener('click', () => download(name, [data as BlobPart]))
	const body = shownPicture(name, data) ?? (file.encoding === 'utf-8' ? shownText(name, file.content) : el('p', { className: 'hint' }, 'Bytes that are no text.'))
	const heading = el('h2', {})
	for (const { text, what } of visible(name)) heading.append(what ? el('span', { className: 'sign', title: what }, text) : text)
	return el('article', { className: 'file' }, el('header', {}, heading, el('span', { className: 'hint' }, said), save), body)
}

/** Fills the panel; returns how many files there are. */
export function show(panel: HTMLElement, files: RunResult['files'] | undefined): number {
	for (const url of urls) URL.revokeObjectURL(url)
	urls = []
	const all: [string, string, ResultFile][] = [
		...Object.entries(files?.created ?? {}).map(([name, file]): [string, string, ResultFile] => [name, 'created', file]),
		...Object.entries(files?.changed ?? {}).map(([name, file]): [string, string, ResultFile] => [name, 'changed', file]),
	]
	panel.replaceChildren(...all.slice(0, FILES_SHOWN).map(([name, how, file]) => card(name, how, file)))
	if (all.length > FILES_SHOWN) panel.append(el('p', { className: 'hint' }, `${plural(all.length - FILES_SHOWN, 'more file')} not shown.`))
	for (const name of files?.deleted.slice(0, FILES_SHOWN) ?? []) panel.append(el('p', {}, `Deleted: `, el('bdi', {}, name)))
	for (const { name, reason } of files?.omitted.slice(0, FILES_SHOWN) ?? []) panel.append(el('p', {}, 'Left out: ', el('bdi', {}, name), ` (${reason})`))
	if (!panel.firstChild) panel.append(el('p', { className: 'hint' }, 'The program made no files.'))
	return all.length
}
