// The node's page: what it is, what it enforces, and how busy it has been since the page was opened.
import { ask, json, type Limits } from '../common/api'
import { closers, el, need } from '../common/dom'
import { bytes, ms } from '../common/format'
import { themeButton } from '../common/theme'
import { Chart } from './chart'
import { between, type Buckets, buckets, parse, quantile, type Sample, total } from './metrics'

const EVERY_MS = 2000
const WINDOW = 30 // looks that percentiles are taken over

interface Pool {
	image: string
	network: string
	runtime: string | null
	ready: number
	making: number
	target: number
	taken: number
	missed: number
	rate_per_s: number
	make_us: number
	memory_bytes: number
}

interface Finding {
	name: string
	status: 'present' | 'degraded' | 'missing'
	why: string
	mend: string | null
}

interface Node {
	version: string
	engine: { name: string; healthy: boolean; why: string | null; sandboxes: number }
	host: { cgroup_version: number; rootless: boolean } | null
	enforced: string[]
	unenforced: string[]
	findings: Finding[]
	ceilings: Limits & Record<string, number>
	pools: Pool[]
	queue: { running: number; parallel: number; waiting: number; places: number }
	cache: { max_bytes: number; bytes: number; entries: number; hits: number; misses: number }
	draining: boolean
	uptime_ms: number
}

interface Image {
	name: string
	digest: string | null
	source: string | null
	size_bytes: number | null
}

interface ImageJob {
	name: string
	kind: 'build' | 'pull' | 'import' | 'remove'
	state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'
	phase: string
	done_bytes: number
	total_bytes: number | null
	error?: { message: string }
}

const rate = (value: number): string => (value >= 10 ? value.toFixed(0) : value.toFixed(1))
const seconds = (value: number): string => (value < 0.001 ? `${Math.round(value * 1e6)} µs` : ms(value < 0.01 ? Math.round(value * 10_000) / 10 : value * 1000))
const count = (value: number): string => String(Math.round(value))

let parallel = 1
const runs = new Chart('Runs a second', [{ label: 'well', colour: 1 }, { label: 'not well', colour: 2 }], rate)
const latency = new Chart('From request to result', [{ label: 'half of them within', colour: 1 }, { label: '95 %', colour: 3 }, { label: '99 %', colour: 2 }], seconds)
const work = new Chart('Under way', [{ label: 'running', colour: 1 }, { label: 'waiting', colour: 2 }], count, () => parallel)
const stock = new Chart('Sandboxes in stock', [{ label: 'ready', colour: 1 }, { label: 'being made', colour: 3 }], count)
const fetched = new Chart('Images, fetched and made', [{ label: 'bytes a second', colour: 1 }], (value) => bytes(Math.round(value)), undefined, 1024)
const memory = new Chart('Memory', [{ label: 'stock', colour: 1 }, { label: 'compile cache', colour: 3 }, { label: 'requests', colour: 2 }], bytes, undefined, 1024 * 1024)

function facts(node: Node): void {
	const host = node.host ? `, cgroup ${node.host.cgroup_version ? `version ${node.host.cgroup_version}` : 'none'}, ${node.host.rootless ? 'rootless' : 'as root'}` : ''
	const rows: [string, string][] = [
		['State', node.draining ? 'shutting down' : node.engine.healthy ? 'takes runs' : `cannot make sandboxes: ${node.engine.why}`],
		['Version', node.version],
		['Engine', `${node.engine.name}${host}`],
		['Up for', uptime(node.uptime_ms)],
		['Running', `${node.queue.running} of ${node.queue.parallel}`],
		['Waiting', `${node.queue.waiting} of ${node.queue.places}`],
		['Compile cache', node.cache.max_bytes ? `${node.cache.entries} results, ${bytes(node.cache.bytes)} of ${bytes(node.cache.max_bytes)}; ${node.cache.hits} hits, ${node.cache.misses} misses` : 'off'],
	]
	need('facts').replaceChildren(...rows.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))))
	need('state').dataset['kind'] = node.engine.healthy && !node.draining ? 'good' : 'bad'
}

function uptime(count_ms: number): string {
	const minutes = Math.floor(count_ms / 60_000)
	if (minutes < 60) return ms(count_ms - (count_ms % 1000))
	return minutes < 2880 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(minutes / 1440)} days`
}

function table(heads: string[], rows: (string | HTMLElement)[][], numbers: number): HTMLElement {
	const cell = (tag: 'td' | 'th') => (text: string | HTMLElement, i: number): HTMLElement => {
		const made = el(tag, { className: i >= numbers ? 'number' : '' }, text)
		if (tag === 'th') made.setAttribute('scope', 'col')
		return made
	}
	return el('table', {}, el('thead', {}, el('tr', {}, ...heads.map(cell('th')))), el('tbody', {}, ...rows.map((row) => el('tr', {}, ...row.map(cell('td'))))))
}

function pools(node: Node): void {
	const rows = node.pools.map((pool) => [
		pool.image, pool.runtime ?? '–', pool.network, `${pool.ready} of ${pool.target}`, String(pool.making), String(pool.taken), String(pool.missed),
		rate(pool.rate_per_s), pool.make_us ? seconds(pool.make_us / 1e6) : '–', bytes(pool.memory_bytes),
	])
	const heads = ['Image', 'Runtime', 'Network', 'Ready', 'Being made', 'Taken', 'Missed', 'Runs a second', 'Time to make', 'Memory of one']
	need('pools').replaceChildren(rows.length ? table(heads, rows, 3) : el('p', { className: 'hint' }, 'None: the pool is off, or nothing was run yet.'))
}

function limits(node: Node): void {
	const rows = Object.entries(node.ceilings).map(([name, value]) => [
		name.replace(/_(ms|bytes)$/, '').replaceAll('_', ' '),
		node.unenforced.includes(name) ? 'cannot be enforced on this host' : 'enforced',
		name.endsWith('_ms') ? ms(value) : name.endsWith('_bytes') ? bytes(value) : name.endsWith('_percent') ? `${value} %` : String(value),
	])
	need('limits').replaceChildren(table(['Limit', 'Here', 'At most'], rows, 2))
}

const states = { present: ['good', '✓', 'in place'], degraded: ['limit', '◐', 'with less'], missing: ['bad', '✗', 'missing'] } as const

/** What the host enforces, as `kiln doctor` says it; the ways to mend are told where there is something to mend. */
function findings(node: Node): void {
	const of = (status: Finding['status']): number => node.findings.filter((one) => one.status === status).length
	need('findings-sum').textContent = node.findings.length
		? `${of('present')} of ${node.findings.length} in place, ${of('degraded')} with less, ${of('missing')} missing. Found out when the server was started; kiln doctor also runs a program that tries to get out.`
		: 'Nothing was found out about this host.'
	const rows = node.findings.map(({ name, status, why, mend }) => {
		const [kind, sign, word] = states[status]
		return [name, el('span', { className: `found ${kind}` }, el('span', { attrs: { 'aria-hidden': 'true' } }, `${sign} `), word), mend ? el('span', {}, `${why}. `, el('b', {}, 'To mend: '), mend) : why]
	})
	need('findings').replaceChildren(...(rows.length ? [table(['What', 'Here', 'How'], rows, 3)] : []))
}

/** What is being made, and how fast it comes. */
class Fetches {
	private looks = new Map<string, { at: number; bytes: number }[]>()
	private shown = false

	/** Bytes a second over the last looks; null before there are two of one phase. */
	private rate({ name, phase, done_bytes }: ImageJob): number | null {
		const key = `${name} ${phase}`
		const before = this.looks.get(key) ?? []
		const kept = (before.some(({ bytes: had }) => had > done_bytes) ? [] : before).slice(-5)
		kept.push({ at: performance.now(), bytes: done_bytes })
		this.looks.set(key, kept)
		const [first, last] = [kept[0], kept.at(-1)]
		return first && last && last.at > first.at ? ((last.bytes - first.bytes) * 1000) / (last.at - first.at) : null
	}

	private line(job: ImageJob): HTMLElement {
		if (job.error) return el('p', { className: 'job fault' }, `${job.name}: ${job.error.message}`)
		const speed = this.rate(job)
		const much = job.total_bytes ? `${bytes(job.done_bytes)} of ${bytes(job.total_bytes)}` : job.done_bytes ? bytes(job.done_bytes) : ''
		const words = [job.state === 'waiting' ? 'waits' : job.phase || job.kind, much, speed === null || !job.done_bytes ? '' : `${bytes(Math.round(speed))} a second`].filter(Boolean).join(', ')
		const bar = el('progress', { max: job.total_bytes ?? 1, attrs: { 'aria-label': `${job.name}: ${words}` } })
		if (job.total_bytes) bar.value = Math.min(job.done_bytes, job.total_bytes)
		return el('p', { className: 'job' }, el('b', {}, job.name), ` ${words} `, bar)
	}

	show(jobs: ImageJob[]): void {
		need('jobs').replaceChildren(...jobs.filter(({ kind }) => kind !== 'remove').map((job) => this.line(job)))
		const running = jobs.filter(({ state }) => state === 'running')
		for (const key of this.looks.keys()) if (!running.some(({ name, phase }) => key === `${name} ${phase}`)) this.looks.delete(key)
		if (running.length > 0 && !this.shown) {
			this.shown = true
			need('charts').append(fetched.element)
		}
		const all = running.map((job) => this.looks.get(`${job.name} ${job.phase}`) ?? []).map((looks) => {
			const [before, now] = looks.slice(-2)
			return before && now ? ((now.bytes - before.bytes) * 1000) / (now.at - before.at) : 0
		})
		fetched.add([all.reduce((sum, one) => sum + one, 0)])
	}
}

const fetches = new Fetches()

async function images(): Promise<void> {
	const { images: list, jobs } = await json<{ images: Image[]; jobs: ImageJob[] }>('v1/images')
	fetches.show(jobs)
	const rows = list.map(({ name, digest, source, size_bytes }) => [name, source ?? '–', digest?.slice(7, 19) ?? '–', size_bytes === null ? '–' : bytes(size_bytes)])
	need('images').replaceChildren(table(['Image', 'From', 'Digest', 'Size'], rows, 3))
}

interface Look {
	at: number
	samples: Sample[]
	buckets: Buckets
}

const looks: Look[] = []

function draw(node: Node, samples: Sample[]): void {
	const now: Look = { at: performance.now(), samples, buckets: buckets(samples, 'kiln_run_seconds') }
	const last = looks.at(-1)
	const first = looks[0]
	looks.push(now)
	if (looks.length > WINDOW) looks.shift()
	if (last) {
		const since = (now.at - last.at) / 1000
		const all = Math.max(0, total(samples, 'kiln_runs_total') - total(last.samples, 'kiln_runs_total')) / since
		const well = Math.max(0, total(samples, 'kiln_runs_total', { outcome: 'ok' }) - total(last.samples, 'kiln_runs_total', { outcome: 'ok' })) / since
		runs.add([well, all - well])
	}
	const recent = first ? between(first.buckets, now.buckets) : []
	latency.add([quantile(recent, 0.5), quantile(recent, 0.95), quantile(recent, 0.99)])
	parallel = node.queue.parallel
	work.add([node.queue.running, node.queue.waiting])
	stock.add([total(samples, 'kiln_pool_waiting'), total(samples, 'kiln_pool_making')])
	memory.add([total(samples, 'kiln_pool_memory_bytes'), total(samples, 'kiln_cache_bytes'), total(samples, 'kiln_http_body_bytes')])
}

let turns = 0

async function look(): Promise<void> {
	const [node, text] = await Promise.all([json<Node>('v1/node'), ask('metrics').then((answer) => answer.text())])
	facts(node)
	pools(node)
	draw(node, parse(text))
	if (turns++ === 0) {
		limits(node)
		findings(node)
	}
	await images()
}

async function go(): Promise<void> {
	for (;;) {
		if (document.visibilityState === 'visible') {
			try {
				await look()
				need('state').hidden = true
			} catch (error) {
				need('state').hidden = false
				need('state').textContent = `Nothing new: ${(error as Error).message}.`
			}
			document.body.dataset['looks'] = String(turns)
		}
		await new Promise((over) => setTimeout(over, EVERY_MS))
	}
}

themeButton()
closers()
need('charts').append(...[runs, latency, work, stock, memory].map(({ element }) => element))
void go()
