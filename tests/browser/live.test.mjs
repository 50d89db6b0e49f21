// What the WebSocket brings to the playground: live output, typing, a terminal, archives, many runs over one connection.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { browser, desktop, ended, open, phone, printed, run, server, verdict, violations, write } from './kilnbrowser.mjs'

let kiln, chromium

before(async () => {
	kiln = await server()
	chromium = await browser()
})
after(async () => {
	await chromium?.close()
	await kiln?.stop()
})

async function playground(body, { device = desktop, language = 'bash', before: prepare, faults = [] } = {}) {
	const context = await chromium.newContext(device)
	try {
		if (prepare) await context.addInitScript(prepare)
		const page = await open(context, kiln.url)
		await page.waitForSelector('#bar[data-ready]')
		await page.selectOption('#language', language)
		await body(page)
		assert.deepEqual(page.faults, faults)
	} finally {
		await context.close()
	}
}

async function inTerminal(page, source) {
	await write(page, source)
	await page.click('#options summary')
	await page.check('#terminal')
	await page.click('#options summary')
	await page.click('#run')
	await page.waitForSelector('.xterm-helper-textarea', { state: 'attached' })
}

const screen = (page) => page.locator('.xterm-accessibility-tree').innerText()
const shows = (page, pattern) =>
	page.waitForFunction((source) => new RegExp(source).test(document.querySelector('.xterm-accessibility-tree')?.innerText ?? ''), pattern.source)

test('output is shown as it is printed', () =>
	playground(async (page) => {
		await write(page, 'echo first; sleep 30; echo last\n')
		await page.click('#run')
		await page.waitForFunction(() => document.getElementById('lines').innerText.includes('first'))
		assert.equal(await page.locator('#verdict').getAttribute('data-kind'), 'running')
		await page.click('#stop')
		await ended(page)
		assert.match(await verdict(page), /^Stopped\. Stopped by you after/)
		assert.equal((await printed(page)).trim(), 'first')
	}))

test('a tgz goes over the one WebSocket, and its files are there', async () => {
	const folder = await mkdtemp(join(tmpdir(), 'kiln-browser-'))
	try {
		await writeFile(join(folder, 'from-archive.txt'), 'packed\n')
		execFileSync('tar', ['-C', folder, '-czf', join(folder, 'kata.tgz'), 'from-archive.txt'])
		await playground(
			async (page) => {
				await write(page, 'cat from-archive.txt\n')
				await page.click('#options summary')
				await page.setInputFiles('#archive', join(folder, 'kata.tgz'))
				assert.match(await page.locator('#archive-said').innerText(), /^kata\.tgz, /)
				await run(page)
				assert.equal((await printed(page)).trim(), 'packed')
				assert.deepEqual(await page.evaluate(() => globalThis.sockets.length), 1)
				await page.click('#archive-remove')
				await run(page)
				assert.match(await verdict(page), /^Failed/)
				assert.deepEqual(await page.evaluate(() => globalThis.sockets.length), 1)
			},
			{
				before: () => {
					globalThis.sockets = []
					globalThis.WebSocket = class extends WebSocket {
						constructor(...of) {
							super(...of)
							globalThis.sockets.push(this)
						}
					}
				},
			},
		)
	} finally {
		await rm(folder, { recursive: true })
	}
})

for (const [name, device] of Object.entries({ desktop, phone }))
	test(`one types into a program that runs, ${name}, and axe has nothing to say`, () =>
		playground(
			async (page) => {
				await inTerminal(page, 'name = input("your name? ")\nprint("Hello,", name + "!")\n')
				await shows(page, /your name\?/)
				await page.keyboard.type('potter\n')
				await ended(page)
				await shows(page, /your name\? potter\s+Hello, potter!/)
				assert.match(await verdict(page), /^Finished/)
				assert.deepEqual(await violations(page), [])
				if (process.env.KILN_SHOTS && name === 'desktop') await page.screenshot({ path: join(process.env.KILN_SHOTS, 'playground-terminal.png') })
			},
			{ device, language: 'python' },
		))

test('a program hears of a new size', () =>
	playground(async (page) => {
		await inTerminal(page, 'trap "stty size" WINCH\nstty size\nwhile read -t 60 line || [ $? -gt 128 ]; do [ "$line" = end ] && exit 0; done\n')
		await shows(page, /\d+ \d+/)
		const [, before_] = /(\d+ \d+)/.exec(await screen(page))
		await page.setViewportSize({ width: 1000, height: 620 })
		await page.waitForFunction((first) => new Set(document.querySelector('.xterm-accessibility-tree').innerText.match(/\d+ \d+/g)).size > 1 && first, before_)
		await page.keyboard.type('end\n')
		await ended(page)
		assert.match(await verdict(page), /^Finished/)
	}))

test('Ctrl-C by key and by button ends what is in the foreground', () =>
	playground(async (page) => {
		await inTerminal(page, 'trap "echo interrupted" INT\necho one; sleep 60; echo two; sleep 60; echo three\n')
		await shows(page, /one/)
		await page.keyboard.press('Control+c')
		await shows(page, /interrupted\s+two/)
		await page.click('#key-interrupt')
		await ended(page)
		await shows(page, /three/)
	}))

test('the keyboard leaves the terminal by Shift and Escape', () =>
	playground(async (page) => {
		await inTerminal(page, 'cat\n')
		await page.waitForFunction(() => document.activeElement.className.includes('xterm'))
		await page.keyboard.press('Shift+Escape')
		assert.equal(await page.evaluate(() => document.activeElement.id), 'stop')
		await page.keyboard.press('Enter')
		await ended(page)
		assert.match(await verdict(page), /^Stopped/)
	}))

test('colours show in the terminal, and hostile sequences do nothing to the page', () =>
	playground(async (page) => {
		await inTerminal(page, String.raw`printf '\e[31mred\e[0m \e[38;2;1;200;30mtrue\e[0m \e]0;owned\a\e]8;;javascript:document.title=1\alink\e]8;;\a \e]52;c;b3duZWQ=\a\e[?1049h\e[?1049l<b>bold</b> \xff\xfe end\n'`)
		await ended(page)
		await shows(page, /<b>bold<\/b>/)
		assert.doesNotMatch(await page.title(), /owned|^1$/)
		const red = page.locator('.xterm-rows span', { hasText: 'red' }).first()
		assert.notEqual(await red.evaluate((span) => getComputedStyle(span).color), await page.locator('.xterm-rows').evaluate((rows) => getComputedStyle(rows).color))
		const { x, y } = await page.locator('.xterm-rows span', { hasText: 'link' }).first().boundingBox()
		await page.mouse.move(x + 4, y + 6)
		await page.mouse.click(x + 4, y + 6)
		assert.equal(page.context().pages().length, 1)
	}))

test('cancelling one run leaves the others of the connection alone', () =>
	playground(async (page) => {
		const outcomes = await page.evaluate(
			() =>
				new Promise((resolve, reject) => {
					const socket = new WebSocket(`ws://${location.host}/v1/ws`, ['kiln.v1'])
					const start = (number, script) => socket.send(JSON.stringify({ run: number, type: 'start', request: { language: 'bash', files: { 'main.sh': script } } }))
					const results = {}
					socket.binaryType = 'arraybuffer'
					socket.onclose = ({ reason }) => reject(new Error(reason))
					socket.onopen = () => {
						start(1, 'echo one; sleep 60')
						start(2, 'sleep 2; echo two')
					}
					socket.onmessage = ({ data }) => {
						if (typeof data !== 'string') {
							if (new DataView(data).getUint32(0) === 1) socket.send(JSON.stringify({ run: 1, type: 'cancel' }))
							return
						}
						const message = JSON.parse(data)
						if (message.type === 'result') results[message.run] = [message.result.outcome, message.result.steps[0].stdout]
						if (Object.keys(results).length === 2) resolve(results)
					}
				}),
		)
		assert.deepEqual(outcomes, { 1: ['cancelled', 'one\n'], 2: ['ok', 'two\n'] })
	}))

test('without a WebSocket it runs all the same, and offers no terminal', () =>
	playground(
		async (page) => {
			assert.equal(await page.locator('#terminal-label').isVisible(), false)
			await write(page, 'echo by request; echo error >&2\n')
			await run(page)
			assert.equal((await printed(page)).trim(), 'by request\nerror')
			assert.equal((await page.locator('.stderr').innerText()).trim(), 'error')
			await write(page, 'sleep 60\n')
			await page.click('#run')
			await page.click('#stop')
			await ended(page)
			assert.match(await verdict(page), /^Stopped/)
		},
		{
			before: () => {
				globalThis.WebSocket = class {
					constructor() {
						setTimeout(() => this.onerror())
					}
				}
			},
		},
	))

test('a connection that is lost is told, and the next run has a new one', () =>
	playground(
		async (page) => {
			await write(page, 'echo begun; sleep 60\n')
			await page.click('#run')
			await page.waitForFunction(() => document.getElementById('lines').innerText.includes('begun'))
			await page.evaluate(() => globalThis.socket.close())
			await ended(page)
			assert.match(await verdict(page), /^Not run\. The connection to the server was lost\./)
			await write(page, 'echo again\n')
			await run(page)
			assert.equal((await printed(page)).trim(), 'again')
		},
		{
			before: () => {
				globalThis.WebSocket = class extends WebSocket {
					constructor(...of) {
						super(...of)
						globalThis.socket = this
					}
				}
			},
		},
	))
