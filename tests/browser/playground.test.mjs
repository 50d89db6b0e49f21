// The playground in Debian's Chromium, against a real `kiln serve`: KILN_SHOTS names a folder for the pictures of the manual.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
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

/** Opens the playground, hands it to `body`, and asserts that nothing went wrong in it. */
async function playground(body, { device = desktop, colorScheme = 'light', path = '/' } = {}) {
	const context = await chromium.newContext({ ...device, colorScheme, acceptDownloads: true })
	try {
		const page = await open(context, kiln.url + path)
		await page.waitForSelector('#bar[data-ready]')
		await body(page)
		assert.deepEqual(page.faults, [])
	} finally {
		await context.close()
	}
}

async function choose(page, language) {
	await page.selectOption('#language', language)
}

async function shot(page, name) {
	if (process.env.KILN_SHOTS) await page.screenshot({ path: join(process.env.KILN_SHOTS, `${name}.png`) })
}

for (const [name, device] of Object.entries({ desktop, phone })) {
	for (const colorScheme of ['light', 'dark']) {
		test(`a first program runs, ${name}, ${colorScheme}, and axe has nothing to say`, () =>
			playground(
				async (page) => {
					assert.deepEqual(await violations(page), [], 'before a run')
					await run(page)
					assert.equal((await printed(page)).trim(), 'Hello, World!')
					assert.match(await verdict(page), /^Finished\. Exit code 0 after \d+ ms, [\d.]+ [KM]iB of memory\.$/)
					assert.deepEqual(await violations(page), [], 'after a run')
					const { width } = page.viewportSize()
					assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, 'nothing is wider than the screen')
					const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
					assert.equal(ground, colorScheme === 'light' ? 'rgb(244, 239, 233)' : 'rgb(23, 19, 16)')
				},
				{ device, colorScheme },
			))
	}
}

test('it is ready within a second of the first byte', () =>
	playground(async (page) => {
		const ready = await page.evaluate(async () => {
			const { responseStart, domContentLoadedEventEnd } = performance.getEntriesByType('navigation')[0]
			return domContentLoadedEventEnd - responseStart
		})
		// A second on an idle machine; the tests' machine is none.
		assert.ok(ready < 4000, `${ready} ms`)
	}))

test('the keyboard alone is enough: choose, write, run, read', () =>
	playground(async (page) => {
		await page.locator('#language').focus()
		await page.keyboard.type('Bash')
		await page.waitForFunction(() => document.getElementById('language').value === 'bash')
		await page.keyboard.press('Tab')
		for (let i = 0; i < 20 && !(await page.evaluate(() => document.activeElement.id === 'editor')); i++) await page.keyboard.press('Tab')
		await page.keyboard.press('Control+A')
		await page.keyboard.type('echo by keyboard')
		await page.keyboard.press('Control+Enter')
		await ended(page)
		assert.equal((await printed(page)).trim(), 'by keyboard')
		// Escape, then Tab leaves the editor.
		await page.keyboard.press('Escape')
		await page.keyboard.press('Tab')
		assert.notEqual(await page.evaluate(() => document.activeElement.id), 'editor')
	}))

test('several files: added, renamed, deleted, and all of them are there when it runs', () =>
	playground(async (page) => {
		await page.click('#add')
		await page.fill('#name-input', '../escape.py')
		await page.click('#name-use')
		assert.match(await page.locator('#name-fault').innerText(), /relative path/)
		await page.fill('#name-input', 'lib/words.py')
		await page.click('#name-use')
		await write(page, 'word = "kiln"\n')
		await page.locator('#tabs [role=tab]').first().focus()
		await page.keyboard.press('ArrowRight')
		await page.keyboard.press('F2')
		await page.fill('#name-input', 'lib/names.py')
		await page.keyboard.press('Enter')
		await page.locator('#tabs [role=tab]').first().click()
		await write(page, 'from lib.names import word\nprint(word)\n')
		await run(page)
		assert.equal((await printed(page)).trim(), 'kiln')
		await page.locator('#tabs [role=tab]').nth(1).focus()
		await page.keyboard.press('Delete')
		await page.click('#sure-use')
		await page.waitForFunction(() => document.querySelectorAll('#tabs [role=tab]').length === 1)
		assert.deepEqual(await page.locator('#tabs [role=tab]').allInnerTexts(), ['main.py'])
		await run(page)
		assert.match(await printed(page), /ModuleNotFoundError/)
		assert.match(await verdict(page), /^Failed\. Ended with exit code 1, after/)
	}))

test('input and arguments reach the program', () =>
	playground(async (page) => {
		await write(page, 'import sys\nprint(sys.argv[1:], sys.stdin.read())\n')
		await page.click('#options summary')
		await page.fill('#stdin', 'to read')
		await page.fill('#args', `one 'two words' "a \\"quote\\""`)
		await run(page)
		assert.equal((await printed(page)).trim(), `['one', 'two words', 'a "quote"'] to read`)
	}))

test('a limit that was reached is told in a sentence, and shown', () =>
	playground(async (page) => {
		await write(page, 'x = bytearray(200 * 1024 * 1024)\nprint(len(x))\n')
		await page.click('#options summary')
		await page.getByLabel('Memory, MiB').fill('64')
		assert.match(await page.locator('#options-said').innerText(), /1 limit/)
		await run(page)
		const said = await verdict(page)
		// Where the host cannot enforce it the program may end by itself; the page then says that.
		if (/Out of memory/.test(said)) assert.match(said, /^Out of memory\. Killed at 64 MiB: the limit; [\d.]+ MiB were used\.$/)
		assert.match(await page.locator('#bars').innerText(), /Memory [\d.]+ MiB of 64 MiB/)
		await page.click('#options summary')
		await page.click('#tab-details')
		const details = await page.locator('#view-details').innerText()
		for (const phase of ['Waiting for a turn', 'Getting a sandbox', 'Sending the files', 'Running', 'Fetching what it made']) assert.ok(details.includes(phase), phase)
		assert.deepEqual(await violations(page), [])
		await shot(page, 'playground-limit')
	}))

test('a program that is stopped has said what it said', () =>
	playground(async (page) => {
		await write(page, 'import time\nprint("begun", flush=True)\ntime.sleep(60)\n')
		await page.click('#run')
		await page.waitForSelector('#stop:not([disabled])')
		await page.waitForTimeout(500)
		await page.click('#stop')
		await ended(page)
		assert.match(await verdict(page), /^Stopped\./)
	}))

test('files that come out are listed, and pictures are shown without being documents', () =>
	playground(async (page) => {
		await write(
			page,
			`import zlib, struct
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
rows = b''.join(b'\\0' + bytes((x * 4, y * 4, 128)[i] for x in range(64) for i in range(3)) for y in range(64))
open('glow.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 64, 64, 8, 2, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
open('evil.svg', 'w').write('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>top.document.title="owned"</script><image href="http://127.0.0.1:9/x"/></svg>')
open('page.html', 'w').write('<script>document.title="owned"</script>')
open('notes.txt', 'w').write('plain\\n')
`,
		)
		await run(page)
		assert.equal(await page.locator('#tab-files').innerText(), 'Files (4)')
		await page.click('#tab-files')
		const picture = page.locator('article', { hasText: 'glow.png' }).locator('img')
		await picture.waitFor()
		assert.equal(await picture.evaluate((image) => image.decode().then(() => image.naturalWidth)), 64)
		assert.match(await picture.getAttribute('src'), /^blob:/)
		assert.equal(await page.locator('article', { hasText: 'page.html' }).locator('pre').innerText(), '<script>document.title="owned"</script>')
		assert.doesNotMatch(await page.title(), /owned/)
		assert.deepEqual(await violations(page), [])
		await shot(page, 'playground-files')
		const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download evil.svg' }).click()])
		assert.equal(saved.suggestedFilename(), 'evil.svg')
	}))

test('a link holds the program, and opens it without running it', () =>
	playground(async (page) => {
		await choose(page, 'bash')
		await write(page, 'echo "shared: $1"; cat\n')
		await page.click('#options summary')
		await page.fill('#args', 'argument')
		await page.fill('#stdin', 'ünïcödé')
		await page.click('#share')
		await page.waitForSelector('#share-dialog[open]') // the link is packed first
		const link = await page.inputValue('#share-link')
		assert.match(link, /#p=[\w-]+$/)
		assert.deepEqual(await violations(page), [])
		const other = await open(page.context(), link)
		await other.waitForSelector('#bar[data-ready]')
		assert.match(await other.locator('#notice').innerText(), /came by a link/)
		assert.equal(await other.locator('#verdict').getAttribute('data-kind'), 'none')
		await run(other)
		assert.equal((await printed(other)).trim(), 'shared: argument\nünïcödé')
		assert.deepEqual(other.faults, [])
	}))

test('a link that is damaged, a bomb or no program is refused in a sentence', () =>
	playground(async (page) => {
		const bomb = await page.evaluate(async () => {
			const stream = new Blob([JSON.stringify({ language: 'python', files: { a: 'a'.repeat(30_000_000) } })]).stream().pipeThrough(new CompressionStream('deflate'))
			const bytes = new Uint8Array(await new Response(stream).arrayBuffer())
			return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
		})
		const packed = (value) => page.evaluate(async (text) => {
			const stream = new Blob([text]).stream().pipeThrough(new CompressionStream('deflate'))
			return btoa(String.fromCharCode(...new Uint8Array(await new Response(stream).arrayBuffer()))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
		}, JSON.stringify(value))
		const bad = ['!!!', 'AAAA', 'x'.repeat(70_000), bomb, await packed([]), await packed({ language: 'python', files: {} }), await packed({ language: 'python', files: { '../x': '' } }), await packed({ language: 'python', files: { a: 1 } })]
		for (const fragment of bad) {
			await page.evaluate((text) => {
				document.getElementById('notice').textContent = ''
				location.hash = `p=${text}`
			}, fragment)
			await page.waitForFunction(() => document.getElementById('notice').textContent.includes('cannot be shown'))
		}
		await run(page)
		assert.equal((await printed(page)).trim(), 'Hello, World!')
	}))

test('the download is a tgz with every file', () =>
	playground(async (page) => {
		await page.click('#add')
		await page.fill('#name-input', `${'deep/'.repeat(24)}file.txt`)
		await page.click('#name-use')
		await write(page, 'ünïcödé\n')
		const [saved] = await Promise.all([page.waitForEvent('download'), page.click('#download')])
		assert.equal(saved.suggestedFilename(), 'kiln-python.tgz')
		const path = await saved.path()
		assert.match(execFileSync('tar', ['-tzf', path], { encoding: 'utf8' }), /^kiln-python\/main\.py\n/)
		assert.equal(execFileSync('tar', ['-xzOf', path, `kiln-python/${'deep/'.repeat(24)}file.txt`], { encoding: 'utf8' }), 'ünïcödé\n')
		assert.ok((await readFile(path)).length > 0)
	}))

test('what is written is there again when the page is opened again', () =>
	playground(async (page) => {
		await write(page, 'print("kept")\n')
		await page.waitForTimeout(600)
		await page.reload()
		await page.waitForSelector('#bar[data-ready]')
		await run(page)
		assert.equal((await printed(page)).trim(), 'kept')
	}))

const hostile = {
	'markup': ['print("<img src=x onerror=document.title=1><script>document.title=1</script>")', /<img src=x onerror/],
	'escapes of terminals': ['print("\\x1b[31mred\\x1b[2J\\x1b]0;title\\x07\\x08\\x08")', /␛\[31mred␛\[2J␛\]0;title␇␈␈/],
	'bytes that are no UTF-8': ['import sys; sys.stdout.buffer.write(b"a\\xff\\xfe\\xc3(b\\xf0\\x9f")', /a\ufffd\ufffd\ufffd\(b\ufffd/],
	'directions that lie': ['print("safe \\u202egnp.exe\\u2066 \\u200bx\\u2028y\\ufeff")', /safe ⟨U\+202E⟩gnp\.exe⟨U\+2066⟩ ⟨U\+200B⟩x⟨U\+2028⟩y⟨U\+FEFF⟩/],
	'a carriage return that hides': ['import sys; sys.stdout.write("evil\\rgood\\r\\nnext\\n")', /evil␍good\nnext/],
	'NUL and friends': ['import sys; sys.stdout.write("a\\0b\\x7fc\\x85d\\n")', /a␀b␡c⟨U\+0085⟩d/],
}
for (const [name, [source, shown]] of Object.entries(hostile)) {
	test(`hostile output is harmless and visible: ${name}`, () =>
		playground(async (page) => {
			await write(page, source)
			await run(page)
			assert.match(await printed(page), shown)
			assert.doesNotMatch(await page.title(), /^1$/)
			assert.equal(await page.locator('#lines img, #lines script').count(), 0)
		}))
}

test('fifty megabytes of output leave the page responsive, and all of them can be had', () =>
	playground(async (page) => {
		await write(page, `import sys\nfor i in range(50):\n    sys.stdout.write(("%07d" % i + "x" * 92 + "\\n") * 10486)\nsys.stdout.write("the end\\n")\n`)
		await page.click('#options summary')
		await page.getByLabel('Output, MiB').fill('64')
		await page.getByLabel('Time, seconds').fill('60')
		await page.click('#options summary')
		await page.evaluate(() => {
			globalThis.longest = 0
			let last = performance.now()
			const look = () => {
				const now = performance.now()
				globalThis.longest = Math.max(globalThis.longest, now - last)
				last = now
				globalThis.looking = requestAnimationFrame(look)
			}
			look()
		})
		await run(page)
		assert.match(await verdict(page), /^Finished/)
		assert.match(await printed(page), /the end\s*$/)
		assert.match(await page.locator('#output-note').innerText(), /Only the end is shown: \d+\.\d MiB before it are left out/)
		assert.ok((await page.locator('#lines .line').count()) < 10_000)
		// The longest work in one piece is to read the result, which holds the output once more; how long that takes here is measured.
		const [longest, once] = await page.evaluate(() => {
			const text = JSON.stringify('x'.repeat(50_000_000))
			const begin = performance.now()
			JSON.parse(text)
			return [globalThis.longest, performance.now() - begin]
		})
		assert.ok(longest < 2000 + 20 * once, `the page stood still for ${Math.round(longest)} ms, where reading takes ${Math.round(once)} ms`)
		const [saved] = await Promise.all([page.waitForEvent('download'), page.click('#save-output')])
		assert.equal((await readFile(await saved.path())).length, 50 * 100 * 10486 + 8)
	}))

test('a line without an end is broken where it can be seen', () =>
	playground(async (page) => {
		await write(page, 'print("x" * 500_000)')
		await run(page)
		assert.ok((await page.locator('#lines .line.cut').count()) > 50)
	}))

test('the button goes through light, dark and what the system says', () =>
	playground(async (page) => {
		const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
		await page.click('#theme')
		assert.equal(await ground(), 'rgb(244, 239, 233)')
		await page.click('#theme')
		assert.equal(await ground(), 'rgb(23, 19, 16)')
		await page.reload()
		assert.equal(await ground(), 'rgb(23, 19, 16)')
		await page.click('#theme')
		assert.equal(await ground(), 'rgb(244, 239, 233)')
	}))

test('a server with tokens is asked with the one that the reader gives', async () => {
	const secret = await server('--tokens', 'reader=s3cret-t+k/en~')
	const context = await chromium.newContext(desktop)
	try {
		const page = await context.newPage()
		await page.goto(secret.url)
		await page.waitForSelector('#token-dialog[open]')
		assert.deepEqual(await violations(page), [])
		await page.fill('#token-dialog input', 'wrong')
		await page.keyboard.press('Enter')
		await page.waitForSelector('#token-dialog[open]')
		await page.fill('#token-dialog input', 's3cret-t+k/en~')
		await page.keyboard.press('Enter')
		await page.waitForSelector('#bar[data-ready]')
		await run(page)
		assert.equal((await printed(page)).trim(), 'Hello, World!')
	} finally {
		await context.close()
		await secret.stop()
	}
})

async function pictures() {
	for (const [device, colorScheme, name] of [[desktop, 'light', 'playground'], [desktop, 'dark', 'playground-dark'], [phone, 'dark', 'playground-phone']])
		await playground(
			async (page) => {
				await write(page, 'import sys\n\n\ndef fibonacci(n):\n    """The n-th number of Fibonacci."""\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n\n\nfor n in range(10, 101, 10):\n    print(f"{n:4}  {fibonacci(n):>24,}")\nprint("done", file=sys.stderr)\n')
				await run(page)
				await shot(page, name)
			},
			{ device, colorScheme },
		)
}
if (process.env.KILN_SHOTS) test('pictures for the manual', pictures)
