// The playground is there within a second: from the start of the navigation to when the editor has taken a key and Run can be pressed.
//
// Loads are cold: each is a context of its own, with nothing in its cache. On a machine that is busy with other things the clock says what those do, so that where
// the median is over the second, what counts is the processor time that the page itself took of all its threads, which is the least that it could have been.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { browser, desktop, ended, patience, printed, server } from './kilnbrowser.mjs'

const LOADS = 7
const BOUND_MS = 1000

let kiln, chromium

before(async () => {
	kiln = await server()
	chromium = await browser()
})
after(async () => {
	await chromium?.close()
	await kiln?.stop()
})

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** Runs in the page before anything of its own: tries to type until a key arrives in the text, and then looks whether Run can be pressed. */
function watch() {
	const look = () => {
		const host = [...document.querySelectorAll('#editor, #editor *')].find(({ shadowRoot }) => shadowRoot)
		const content = host?.shadowRoot.querySelector('.cm-content')
		const run = document.getElementById('run')
		if (content && run && !run.disabled) {
			content.focus()
			if (!globalThis.typed) globalThis.typed = document.execCommand('insertText', false, '#')
			if (globalThis.typed && content.textContent.includes('#')) {
				globalThis.interactive_ms = performance.now()
				return
			}
		}
		setTimeout(look, 5)
	}
	look()
}

async function load() {
	const context = await chromium.newContext(desktop)
	try {
		const page = await context.newPage()
		page.setDefaultTimeout(patience)
		const devtools = await context.newCDPSession(page)
		const busy_ms = async () => 1000 * (await devtools.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'ProcessTime').value
		await devtools.send('Performance.enable')
		await page.addInitScript(`(${watch})()`)
		await page.goto(kiln.url, { waitUntil: 'commit' })
		await page.waitForFunction(() => globalThis.interactive_ms !== undefined)
		const took = { clock_ms: await page.evaluate(() => globalThis.interactive_ms), busy_ms: await busy_ms() }
		return { context, page, ...took }
	} catch (error) {
		await context.close()
		throw error
	}
}

test('the playground takes keys and runs within a second of being asked for', async (t) => {
	const clocks = []
	const busy = []
	for (let i = 0; i < LOADS; i++) {
		const { context, page, clock_ms, busy_ms } = await load()
		clocks.push(clock_ms)
		busy.push(busy_ms)
		if (i === 0) {
			// What it was is no picture of a page: it runs.
			await page.keyboard.press('Backspace')
			await page.click('#run')
			await ended(page)
			assert.match(await printed(page), /Hello, World!/)
		}
		await context.close()
	}
	t.diagnostic(`by the clock ${clocks.map(Math.round).join(', ')} ms; of the processor ${busy.map(Math.round).join(', ')} ms`)
	if (median(clocks) <= BOUND_MS) return
	assert.ok(median(busy) <= BOUND_MS, `takes ${Math.round(median(clocks))} ms, and of the processor alone ${Math.round(median(busy))} ms`)
})
