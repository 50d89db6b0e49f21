// What programs print is shown as it is: whatever would be invisible, move the cursor or turn the direction of other text is shown as a sign of its own.

export interface Piece {
	text: string
	/** What it is, for who points at it: "ESC", "U+202E right-to-left override"; absent for plain text. */
	what?: string
}

const names: Record<number, string> = {
	0x00ad: 'soft hyphen', 0x061c: 'arabic letter mark', 0x180e: 'mongolian vowel separator', 0x200b: 'zero width space', 0x200e: 'left-to-right mark',
	0x200f: 'right-to-left mark', 0x2028: 'line separator', 0x2029: 'paragraph separator', 0x202a: 'left-to-right embedding',
	0x202b: 'right-to-left embedding', 0x202c: 'pop directional formatting', 0x202d: 'left-to-right override', 0x202e: 'right-to-left override',
	0x2060: 'word joiner', 0x2066: 'left-to-right isolate', 0x2067: 'right-to-left isolate', 0x2068: 'first strong isolate',
	0x2069: 'pop directional isolate', 0xfeff: 'byte order mark', 0xfffd: 'bytes that are no UTF-8',
}

// Controls but tab and line feed; directions; what has no width (but the joiners that scripts and emoji need); tags.
// eslint-disable-next-line no-control-regex
const special = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffd\u{e0000}-\u{e007f}]/gu

function sign(character: string): Piece {
	const code = character.codePointAt(0) as number
	const point = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
	if (code < 0x20) return { text: String.fromCodePoint(0x2400 + code), what: code === 0x1b ? 'escape' : `control character ${point}` }
	if (code === 0x7f) return { text: '␡', what: 'delete' }
	if (code === 0xfffd) return { text: '\ufffd', what: names[code] as string }
	return { text: `⟨${point}⟩`, what: `${point} ${names[code] ?? 'control character'}` }
}

/** Cuts text into what is plain and what has to be made visible. */
export function visible(text: string): Piece[] {
	const pieces: Piece[] = []
	let at = 0
	for (const found of text.matchAll(special)) {
		if (found.index > at) pieces.push({ text: text.slice(at, found.index) })
		pieces.push(sign(found[0]))
		at = found.index + found[0].length
	}
	if (at < text.length) pieces.push({ text: text.slice(at) })
	return pieces
}
