// What has changed between two states of some files, line by line. Pure.

export interface Line {
	kind: 'same' | 'gone' | 'new'
	/** With its end. */
	text: string
}

export interface FileDiff {
	name: string
	how: 'same' | 'changed' | 'gone' | 'new'
	lines: Line[]
	gone: number
	added: number
}

/** So many changes are looked for one by one; what differs more is told as a whole. */
const DISTANCE_MAX = 1500

const split = (text: string): string[] => (text ? text.split(/(?<=\n)/) : [])
const as = (kind: Line['kind'], texts: string[]): Line[] => texts.map((text) => ({ kind, text }))

/** Myers: the furthest point on each diagonal, for each number of changes; null when there are too many. */
function traces(a: string[], b: string[]): Int32Array[] | null {
	const max = Math.min(a.length + b.length, DISTANCE_MAX)
	const found: Int32Array[] = []
	let last = new Int32Array(3)
	for (let d = 0; d <= max; d++) {
		const now = new Int32Array(2 * d + 3) // diagonal k at k + d + 1
		for (let k = -d; k <= d; k += 2) {
			const down = last[k + 1 + d] as number // of d - 1, where k stands at k + d
			const right = last[k - 1 + d] as number
			let x = d === 0 ? 0 : k === -d || (k !== d && right < down) ? down : right + 1
			while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++
			now[k + d + 1] = x
			if (x >= a.length && x - k >= b.length) {
				found.push(now)
				return found
			}
		}
		found.push(now)
		last = now
	}
	return null
}

function between(a: string[], b: string[]): Line[] {
	const found = a.length && b.length ? traces(a, b) : null
	if (!found) return [...as('gone', a), ...as('new', b)]
	const lines: Line[] = []
	let x = a.length
	let y = b.length
	for (let d = found.length - 1; d > 0; d--) {
		const before = found[d - 1] as Int32Array
		const k = x - y
		const down = before[k + 1 + d] as number
		const right = before[k - 1 + d] as number
		const isDown = k === -d || (k !== d && right < down)
		const edge = isDown ? down : right + 1
		while (x > edge) {
			lines.push({ kind: 'same', text: a[--x] as string })
			y--
		}
		lines.push(isDown ? { kind: 'new', text: b[--y] as string } : { kind: 'gone', text: a[--x] as string })
	}
	while (x > 0) lines.push({ kind: 'same', text: a[--x] as string })
	return lines.reverse()
}

export function diff(from: string, to: string): Line[] {
	const a = split(from)
	const b = split(to)
	let head = 0
	let tail = 0
	while (head < a.length && head < b.length && a[head] === b[head]) head++
	while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++
	return [...as('same', a.slice(0, head)), ...between(a.slice(head, a.length - tail), b.slice(head, b.length - tail)), ...as('same', a.slice(a.length - tail))]
}

/** Each file of either, those that changed first. */
export function diffs(from: Record<string, string>, to: Record<string, string>): FileDiff[] {
	const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort()
	const all = names.map((name): FileDiff => {
		const [old, now] = [from, to].map((side) => (Object.hasOwn(side, name) ? side[name] : undefined))
		const how = old === now ? 'same' : old === undefined ? 'new' : now === undefined ? 'gone' : 'changed'
		const lines = how === 'same' ? [] : diff(old ?? '', now ?? '')
		return { name, how, lines, gone: lines.filter(({ kind }) => kind === 'gone').length, added: lines.filter(({ kind }) => kind === 'new').length }
	})
	return [...all.filter(({ how }) => how !== 'same'), ...all.filter(({ how }) => how === 'same')]
}
