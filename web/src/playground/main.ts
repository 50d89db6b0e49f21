// The playground: what the page's parts do together.
import { ApiError, type Language, json, type Limits, type RunRequest, type RunResult } from '../common/api'
import { closers, download, el, need } from '../common/dom'
import { ms } from '../common/format'
import { read, write } from '../common/storage'
import { themeButton } from '../common/theme'
import { type Run, transport } from '../common/transport'
import { tgz } from './archive'
import { show as showArtefacts } from './artefacts'
import { bars, details } from './details'
import { Files, sure } from './files'
import { Options } from './options'
import { Output } from './output'
import { LINK_CHARACTERS, packed, type Program, program as programOf, unpacked } from './share'
import { views } from './tabs'
import type { Screen } from './terminal'
import { measures, verdict } from './verdict'

const DRAFT_CHARACTERS = 512 * 1024

const language = need<HTMLSelectElement>('language')
const version = need<HTMLSelectElement>('version')
const runButton = need<HTMLButtonElement>('run')
const stopButton = need<HTMLButtonElement>('stop')
const files = new Files({ changed: () => changed(), run: () => void run() })
const options = new Options(() => changed())
const output = new Output(need('lines'), need('output-note'))
const showView = views(need('views'))

let languages: Language[] = []
let ceilings: Limits = {}
let current: Run | null = null
let screen: Screen | null = null
/** Raised with each run, so that what is left of an older one says nothing. */
let turn = 0

// --- the program ---------------------------------------------------------------------------------------------------------

function chosen(): Language | undefined {
	return languages.find(({ id }) => id === language.value)
}

function beginning(of: Language): Record<string, string> {
	if (Object.keys(of.start).length > 0) return of.start
	return { [of.source_file ?? `main.${of.extensions[0] ?? 'txt'}`]: of.hello ?? '' }
}

function program(): Program {
	const now: Program = { language: language.value, files: files.get() }
	if (version.value) now.version = version.value
	if (options.stdin) now.stdin = options.stdin
	if (options.argsText) now.args = options.argsText
	if (options.terminal) now.terminal = true
	if (Object.keys(options.limits).length > 0) now.limits = options.limits
	return now
}

let saving = 0

/** What is written stays in this browser, a draft for each language. */
function changed(): void {
	clearTimeout(saving)
	saving = window.setTimeout(() => {
		const text = JSON.stringify(program())
		if (text.length <= DRAFT_CHARACTERS) write(`kiln.draft.${language.value}`, text)
	}, 400)
}

function versions(of: Language): void {
	const among = of.versions.filter(({ available }) => available).map((one) => one.version)
	const unique = [...new Set(among)].filter(Boolean)
	version.replaceChildren(el('option', { value: '' }, unique.length > 1 ? `newest (${of.version})` : of.version || 'any version'))
	if (unique.length > 1) version.append(...unique.map((one) => el('option', { value: one }, one)))
	need('version-label').hidden = unique.length < 2
}

function load(what: Program): void {
	const of = languages.find(({ id }) => id === what.language)
	if (!of) {
		notice(`This server has no language “${what.language}”.`, true)
		return
	}
	language.value = of.id
	versions(of)
	if (what.version && [...version.options].some(({ value }) => value === what.version)) version.value = what.version
	files.load(what.files)
	options.language(of, ceilings)
	options.set(what)
	write('kiln.language', of.id)
	runButton.disabled = !of.available
	document.title = `${of.name} – kiln playground`
}

function choose(id: string): void {
	const of = languages.find((one) => one.id === id)
	if (of) load(programOf(read(`kiln.draft.${id}`)) ?? { language: id, files: beginning(of) })
}

/** "Python 3.11" rather than "Python 3 3.11". */
function shownName(name: string, newest: string): string {
	const [, bare, major] = /^(.*?) (\d+)$/.exec(name) ?? []
	return newest ? `${major && newest.startsWith(major) ? bare : name} ${newest}` : name
}

function fillLanguages(): void {
	const group = (label: string, available: boolean): HTMLOptGroupElement => {
		const items = languages.filter((one) => one.available === available)
		return el('optgroup', { label }, ...items.map(({ id, name, version: newest }) => el('option', { value: id, disabled: !available }, shownName(name, available ? newest : ''))))
	}
	language.replaceChildren(group('Ready to run', true), group('Their image is not here', false))
	language.disabled = false
}

function notice(text: string, bad = false): void {
	const place = need('notice')
	place.hidden = !text
	place.textContent = text
	place.classList.toggle('bad', bad)
}

async function fromLink(): Promise<boolean> {
	const fragment = /^#p=(.+)$/.exec(location.hash)?.[1]
	if (!fragment) return false
	try {
		load(await unpacked(fragment))
		notice('This program came by a link. It runs when you press Run.')
	} catch (error) {
		notice(`The program of this link cannot be shown: ${(error as Error).message}.`, true)
		return false
	}
	return true
}

// --- a run ---------------------------------------------------------------------------------------------------------------

function tell(kind: string, title: string, text: string, aloud = true): void {
	need('verdict').dataset['kind'] = kind
	need('verdict-title').textContent = `${title}.`
	need('verdict-text').textContent = text
	if (aloud) need('said').textContent = `${title}. ${text}`
}

function running(is: boolean): void {
	runButton.disabled = is || !chosen()?.available
	stopButton.disabled = !is
	need('keys').hidden = !is || !options.terminal
	if (!is) current = null
}

function request(): RunRequest {
	const asked: RunRequest = { language: version.value ? `${language.value}@${version.value}` : language.value, files: files.get(), collect: 'all' }
	const args = options.args
	if (args.length > 0) asked.args = args
	if (!options.terminal && options.stdin) asked.stdin = options.stdin
	if (Object.keys(options.limits).length > 0) asked.limits = options.limits
	return asked
}

async function terminal(): Promise<Screen> {
	need('screen').hidden = false
	if (!screen) {
		const module = await import('./terminal')
		screen = new module.Screen(need('screen'), {
			typed: (bytes) => current?.type(bytes),
			resized: (rows, cols) => current?.resize(rows, cols),
			left: () => (stopButton.disabled ? runButton : stopButton).focus(),
		})
	}
	screen.reset()
	return screen
}

function ended(result: RunResult): void {
	const { kind, title, text } = verdict(result)
	const step = result.steps.at(-1)
	running(false)
	tell(kind, title, text, false)
	if (step) bars(need('bars'), measures(step, options.effective))
	details(need('view-details'), result)
	const count = showArtefacts(need('view-files'), result.files)
	need('tab-files').textContent = count ? `Files (${count})` : 'Files'
	void output.finish().then(() => {
		need('said').textContent = `${title}. ${text} ${options.terminal ? '' : output.summary()}${count ? ` ${count} files came out.` : ''}`
	})
	need('save-output').hidden = output.size === 0
}

function refused(error: ApiError): void {
	running(false)
	if (error.message === 'cancelled') tell('bad', 'Stopped', 'Stopped by you.')
	else {
		const later = error.retryAfterS ? ` Try again in ${ms(error.retryAfterS * 1000)}.` : ''
		tell('broken', 'Not run', `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.${later}`.replace('..', '.'))
	}
	need('save-output').hidden = output.size === 0
}

async function run(): Promise<void> {
	if (runButton.disabled) return
	const mine = ++turn
	let asked: RunRequest
	try {
		asked = request()
	} catch (error) {
		tell('broken', 'Not run', (error as Error).message)
		return
	}
	running(true)
	tell('running', 'Running', '')
	output.clear()
	need('bars').replaceChildren()
	need('save-output').hidden = true
	need('tab-files').textContent = 'Files'
	showView('tab-output')
	const way = await transport()
	const interactive = options.terminal && way.live
	need('output').hidden = interactive
	need('screen').hidden = !interactive
	need('keys').hidden = !interactive
	const shown = interactive ? await terminal() : null
	if (mine !== turn) return
	const { archive } = options
	const unlessOld = <T extends unknown[]>(act: (...values: T) => void) => (...values: T): void => {
		if (mine === turn) act(...values)
	}
	current = way.start(
		{ request: asked, ...(archive && { archive }), ...(shown && { interactive: true, tty: shown.size }) },
		{
			queued: unlessOld((position) => tell('running', 'Waiting', `Place ${position} in the queue.`)),
			started: unlessOld(() => tell('running', 'Running', '')),
			output: unlessOld((stream, bytes) => {
				if (shown) shown.write(bytes)
				output.append(stream, bytes)
			}),
			result: unlessOld(ended),
			failed: unlessOld(refused),
		},
	)
	shown?.focus()
	// On a phone the result is further down.
	need('verdict').scrollIntoView({ block: 'nearest' })
}

// --- buttons -------------------------------------------------------------------------------------------------------------

async function share(): Promise<void> {
	const said = need('share-said')
	const link = need<HTMLInputElement>('share-link')
	try {
		const url = new URL(location.href)
		url.hash = `p=${await packed(program())}`
		link.value = url.href
		said.textContent = ''
		history.replaceState(null, '', url)
	} catch (error) {
		link.value = ''
		said.textContent = (error as Error).message
	}
	need<HTMLButtonElement>('share-copy').disabled = !link.value
	need<HTMLDialogElement>('share-dialog').showModal()
	link.select()
}

async function copy(): Promise<void> {
	const link = need<HTMLInputElement>('share-link')
	try {
		await navigator.clipboard.writeText(link.value)
		need('share-said').textContent = `Copied, ${link.value.length.toLocaleString('en')} of at most ${LINK_CHARACTERS.toLocaleString('en')} characters.`
	} catch {
		link.select()
		need('share-said').textContent = 'The browser does not allow it: copy it with Ctrl+C.'
	}
}

async function save(): Promise<void> {
	try {
		const { language: name, files: all } = program()
		const folder = `kiln-${name}`
		download(`${folder}.tgz`, [await tgz(Object.fromEntries(Object.entries(all).map(([file, text]) => [`${folder}/${file}`, text])))])
	} catch (error) {
		notice((error as Error).message, true)
	}
}

async function again(): Promise<void> {
	const of = chosen()
	if (!of || !(await sure(`Begin again with the hello program of ${of.name}?`, 'Begin again'))) return
	load({ language: of.id, files: beginning(of) })
	changed()
}

function wire(): void {
	need('bar').addEventListener('submit', (event) => {
		event.preventDefault()
		void run()
	})
	document.addEventListener('keydown', (event) => {
		if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.defaultPrevented && !document.querySelector('dialog[open]')) {
			event.preventDefault()
			void run()
		}
	})
	stopButton.addEventListener('click', () => current?.cancel())
	language.addEventListener('change', () => choose(language.value))
	version.addEventListener('change', changed)
	need('hello').addEventListener('click', () => void again())
	need('share').addEventListener('click', () => void share())
	need('share-copy').addEventListener('click', () => void copy())
	need('download').addEventListener('click', () => void save())
	need('save-output').addEventListener('click', () => download('output.txt', output.all()))
	need('key-interrupt').addEventListener('click', () => {
		current?.type(new Uint8Array([3]))
		screen?.focus()
	})
	need('key-eof').addEventListener('click', () => {
		current?.type(new Uint8Array([4]))
		screen?.focus()
	})
	addEventListener('hashchange', () => void fromLink())
}

async function begin(): Promise<void> {
	themeButton()
	closers()
	wire()
	try {
		const [listed, node] = await Promise.all([json<{ languages: Language[] }>('v1/languages'), json<{ ceilings: Limits }>('v1/node')])
		languages = listed.languages.sort((a, b) => a.name.localeCompare(b.name))
		ceilings = node.ceilings
	} catch (error) {
		notice(`The languages cannot be listed: ${(error as Error).message}.`, true)
		return
	}
	fillLanguages()
	const kept = languages.find(({ id, available }) => available && id === read('kiln.language'))
	const first = kept ?? languages.find(({ id, available }) => available && id === 'python') ?? languages.find(({ available }) => available)
	if (!(await fromLink()) && first) choose(first.id)
	if (!first) notice('No language can be run here: `kiln doctor` on the server tells why.', true)
	options.terminalPossible((await transport()).live)
	need('bar').dataset['ready'] = 'yes'
}

void begin()
