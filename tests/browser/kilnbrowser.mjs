// What the tests of the pages share: a server of their own, Debian's Chromium, and axe.
//
// KILN_BIN is the program, KILN_BROWSER_MODULES a node_modules with what web/package.json names, KILN_CHROMIUM another browser.
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const top = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const modules = process.env.KILN_BROWSER_MODULES ?? join(top, 'web/node_modules')
const require = createRequire(join(modules, 'x'))
const { chromium } = require('playwright-core')
const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8')

const kiln = process.env.KILN_BIN ?? join(top, 'build/kiln')
export const patience = 30_000 * Number(process.env.KILN_TEST_SLOW ?? 1)

/** A `kiln serve` with a state of its own; `settings` are flags. */
export async function server(...settings) {
	const folder = await mkdtemp(join(tmpdir(), 'kiln-browser-'))
	await chmod(folder, 0o755) // the front is another user
	const child = spawn(kiln, ['serve', '--listen', '127.0.0.1:0', ...settings], {
		env: { PATH: process.env.PATH, HOME: folder, XDG_STATE_HOME: folder, XDG_RUNTIME_DIR: folder, KILN_STATE_DIR: join(folder, 'state'), LANG: 'C.UTF-8' },
		stdio: ['ignore', 'ignore', 'pipe'],
	})
	let log = ''
	const ended = new Promise((over) => child.once('exit', over))
	const url = await new Promise((found, failed) => {
		child.stderr.setEncoding('utf8').on('data', (text) => {
			log += text
			const port = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(log)
			if (port) found(port[1])
		})
		void ended.then(() => failed(new Error(`kiln serve ended:\n${log}`)))
	})
	return {
		url,
		log: () => log,
		async stop() {
			child.kill('SIGTERM')
			const killer = setTimeout(() => child.kill('SIGKILL'), 15_000)
			await ended
			clearTimeout(killer)
			await rm(folder, { recursive: true, force: true })
		},
	}
}

/** Debian's Chromium. As root it has no sandbox of its own. */
export function browser() {
	return chromium.launch({
		executablePath: process.env.KILN_CHROMIUM ?? '/usr/bin/chromium',
		args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--force-color-profile=srgb'],
	})
}

export const desktop = { viewport: { width: 1280, height: 800 } }
export const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 }

/** A page that remembers what went wrong in it: errors, messages of the console, requests to elsewhere. */
export async function open(context, url) {
	const page = await context.newPage()
	page.setDefaultTimeout(patience)
	page.faults = []
	page.on('pageerror', (error) => page.faults.push(String(error)))
	page.on('console', (message) => {
		// Chromium's own editing puts style attributes into what is typed over a selection; CodeMirror wants none, and the policy refuses them.
		if (/inline style violates/.test(message.text()) && message.location().url === page.url()) return
		if (message.type() === 'error' || message.type() === 'warning') page.faults.push(`${message.text()} ${message.location().url}`)
	})
	const { origin } = new URL(url)
	page.on('request', (request) => {
		const at = new URL(request.url())
		if (!['blob:', 'data:'].includes(at.protocol) && at.host !== new URL(origin).host) page.faults.push(`a request to ${at.href}`)
	})
	await page.goto(url)
	return page
}

/** The violations that axe finds, in a line each. */
export async function violations(page) {
	await page.evaluate(axe)
	const { violations: found } = await page.evaluate(() =>
		globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
	)
	return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} (${failureSummary})`).join('; ')}`)
}

// --- the playground

/** Replaces the text of the file that is shown. */
export async function write(page, text) {
	await page.locator('.cm-content').click()
	await page.keyboard.press('Control+A')
	await page.locator('.cm-content').evaluate((content, pasted) => {
		const clipboardData = new DataTransfer()
		clipboardData.setData('text/plain', pasted)
		content.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))
	}, text)
}

/** When a run is over and all that it printed is shown. */
export async function ended(page) {
	await page.waitForFunction(() => !['none', 'running'].includes(document.getElementById('verdict').dataset.kind))
	await page.waitForFunction(() => document.getElementById('said').textContent.startsWith(document.getElementById('verdict-title').textContent))
}

export async function run(page) {
	await page.click('#run')
	await ended(page)
}

/** What is shown of the output; of much, the end. */
export const printed = async (page) => (await page.locator('#lines').innerText()).slice(-2000)
export const verdict = (page) => page.locator('#verdict > p').innerText()
