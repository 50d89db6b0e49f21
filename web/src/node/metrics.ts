// Prometheus's text format, and what can be read out of two looks at it.

export interface Sample {
	name: string
	labels: Record<string, string>
	value: number
}

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g

export function parse(text: string): Sample[] {
	const samples: Sample[] = []
	for (const row of text.split('\n')) {
		const [, name, labels, value] = row.startsWith('#') ? [] : (line.exec(row) ?? [])
		if (!name || value === undefined) continue
		const found: Record<string, string> = {}
		for (const [, key, escaped] of (labels ?? '').matchAll(label)) found[key as string] = (escaped as string).replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))
		samples.push({ name, labels: found, value: value === '+Inf' ? Infinity : Number(value) })
	}
	return samples
}

/** The sum of a metric's samples, over those whose labels are these. */
export function total(samples: Sample[], name: string, labels: Record<string, string> = {}): number {
	return samples
		.filter((sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
		.reduce((sum, { value }) => sum + value, 0)
}

/** A histogram's buckets: upper bounds, and how many were at most that. */
export type Buckets = [bound: number, count: number][]

export function buckets(samples: Sample[], name: string): Buckets {
	return samples
		.filter((sample) => sample.name === `${name}_bucket`)
		.map(({ labels, value }): [number, number] => [labels['le'] === '+Inf' ? Infinity : Number(labels['le']), value])
		.sort(([a], [b]) => a - b)
}

/** What came between two looks at the same buckets. */
export function between(before: Buckets, now: Buckets): Buckets {
	return now.map(([bound, count], i) => [bound, Math.max(0, count - (before[i]?.[1] ?? 0))])
}

/** The value that this share of the observations is at most, as if they lay evenly in their bucket; null without any. */
export function quantile(of: Buckets, share: number): number | null {
	const all = of.at(-1)?.[1] ?? 0
	if (all === 0) return null
	const rank = share * all
	let lower = 0
	let below = 0
	for (const [bound, count] of of) {
		if (count >= rank && count > below) return bound === Infinity ? lower : lower + ((bound - lower) * (rank - below)) / (count - below)
		if (bound !== Infinity) lower = bound
		below = count
	}
	return lower
}
