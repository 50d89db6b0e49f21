// The dojo's page in Debian's Chromium, against a real `kiln serve`: KILN_SHOTS names a folder for the pictures of the manual.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { browser, desktop, open, phone, server, violations, write } from './kilnbrowser.mjs'

let kiln, chromium

before(async () => {
	kiln = await server()
	chromium = await browser()
})
after(async () => {
	await chromium?.close()
	await kiln?.stop()
})

async function call(method, path, body) {
	const answer = await fetch(`${kiln.url}/v1/sessions${path}`, { method, ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }) })
	assert.ok(answer.ok, `${method} ${path}: ${answer.status}`)
	return answer.status === 204 ? null : await answer.json()
}

let last = 0

/** A session of a name of its own, removed when `body` is over. */
async function dojo(request, body) {
	const id = `kata-${++last}`
	await call('POST', '', { id, language: 'bash', ttl_ms: 600_000, ...request })
	try {
		await body(id)
	} finally {
		await call('DELETE', `/${id}`)
	}
}

/** A browser of its own at a dojo. */
async function visit(id, { device = desktop, colorScheme = 'light' } = {}) {
	const context = await chromium.newContext({ ...device, colorScheme })
	const page = await open(context, `${kiln.url}/dojo/${id}`)
	await page.waitForSelector('#dojo[data-ready]')
	return page
}

async function close(...pages) {
	for (const page of pages) {
		assert.deepEqual(page.faults, [])
		await page.context().close()
	}
}

async function sit(page, animal) {
	await page.click(`#who [data-animal="${animal}"]`)
	await page.waitForSelector('#desk:not([hidden])')
}

const lamps = (page, animal) => page.locator(`[data-user="${animal}"] .lamp`)
const colours = (page, animal) => lamps(page, animal).evaluateAll((all) => all.map(({ dataset }) => dataset.colour))

async function lit(page, animal, ...expected) {
	await page.waitForFunction(([name, count]) => document.querySelectorAll(`[data-user="${name}"] .lamp`).length === count, [animal, expected.length])
	assert.deepEqual(await colours(page, animal), expected)
}

/** Writes the file that is shown, tests, and waits for the light. */
async function tests(page, text) {
	const before = await page.locator('.row.mine .lamp').count()
	if (text !== undefined) await write(page, text)
	await page.click('#test')
	await page.waitForFunction((count) => document.querySelectorAll('.row.mine .lamp').length === count + 1, before)
	await page.waitForFunction(() => document.getElementById('light').dataset.shown === document.querySelector('.lamp[aria-pressed=true]')?.dataset.number)
}

const fits = async (page) => assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= page.viewportSize().width, 'nothing is wider than the screen')

async function shot(page, name) {
	if (process.env.KILN_SHOTS) await page.screenshot({ path: join(process.env.KILN_SHOTS, `${name}.png`) })
}

for (const [name, device, colorScheme] of [['desktop', desktop, 'light'], ['desktop', desktop, 'dark'], ['phone', phone, 'light'], ['phone', phone, 'dark']])
	test(`a dojo is made, and a test goes from red to green, ${name}, ${colorScheme}, and axe has nothing to say`, async () => {
		const context = await chromium.newContext({ ...device, colorScheme })
		const id = `made-${name}-${colorScheme}`
		try {
			const page = await open(context, `${kiln.url}/dojo`)
			await page.waitForSelector('#lobby[data-ready]')
			assert.deepEqual(await violations(page), [], 'the lobby')
			await fits(page)
			await page.selectOption('#language', 'python-unittest')
			await page.fill('#name', id)
			await page.click('#make-button')
			await page.waitForURL(`**/dojo/${id}`)
			await page.waitForSelector('#dojo[data-ready]')
			assert.deepEqual(await violations(page), [], 'before anybody sits down')
			await sit(page, 'bear')
			assert.deepEqual(await page.locator('#tabs [role=tab]').allInnerTexts(), ['hiker.py', 'test_hiker.py'])
			await tests(page, 'def answer():\n    return 6 * 9\n')
			await lit(page, 'bear', 'red')
			assert.match(await page.locator('#lines').innerText(), /AssertionError: 42 != 54/)
			await tests(page, 'def answer(:\n')
			await tests(page, 'def answer():\n    return 6 * 7\n')
			await lit(page, 'bear', 'red', 'amber', 'green')
			assert.match(await page.locator('#left').innerText(), /^[345]\d min left$|^1 h 00 min left$/)
			await page.click('#tab-changes')
			await page.selectOption('#from', { index: 0 })
			await page.waitForFunction(() => /^1 file changed/.test(document.getElementById('changes-said').textContent))
			assert.deepEqual(await violations(page), [], 'with lights and changes')
			await fits(page)
			assert.deepEqual(page.faults, [])
			if ((device === desktop) === (colorScheme === 'light')) await shot(page, device === desktop ? 'dojo' : 'dojo-phone')
		} finally {
			await context.close()
			await call('DELETE', `/${id}`).catch(() => {})
		}
	})

test("two browsers in one dojo see each other's lights", () =>
	dojo({}, async (id) => {
		const [one, two] = [await visit(id), await visit(id, { colorScheme: 'dark' })]
		await sit(one, 'bear')
		await two.waitForSelector('[data-user="bear"]')
		assert.equal(await two.locator('#animals [data-animal="bear"]').count(), 0, 'it is free no more')
		await sit(two, 'fox')
		await tests(one, 'exit 1')
		await lit(two, 'bear', 'red')
		await tests(two, 'echo of the fox')
		await lit(one, 'fox', 'green')
		await lamps(one, 'fox').first().click()
		await one.waitForFunction(() => document.getElementById('lines').innerText.includes('of the fox'))
		await one.click('#tab-files')
		assert.match(await one.locator('#view-files').innerText(), /main\.sh[\s\S]*echo of the fox/)
		await close(one, two)
	}))

test('a browser that closes while its test runs loses nothing', () =>
	dojo({}, async (id) => {
		const [one, two] = [await visit(id), await visit(id)]
		const context = one.context()
		await sit(one, 'bear')
		await one.locator('#add').click()
		await one.fill('#name-input', 'other.txt')
		await one.click('#name-use')
		await write(one, 'typed in another file')
		await one.locator('#tabs [role=tab]', { hasText: 'main.sh' }).click()
		await write(one, 'sleep 3; cat other.txt; echo made >made.txt')
		await one.click('#test')
		await two.waitForFunction(async (at) => (await (await fetch(at)).json()).running, `${kiln.url}/v1/sessions/${id}/users/bear`)
		await write(one, 'echo typed while it ran')
		await one.close()
		await lit(two, 'bear', 'green')
		await lamps(two, 'bear').click()
		await two.waitForFunction(() => document.getElementById('lines').innerText.includes('typed in another file'))
		const again = await open(context, `${kiln.url}/dojo/${id}`)
		await again.waitForSelector('#desk:not([hidden])')
		await lit(again, 'bear', 'green')
		assert.deepEqual((await again.locator('#tabs [role=tab]').allInnerTexts()).sort(), ['made.txt', 'main.sh', 'other.txt'])
		await again.locator('#tabs [role=tab]', { hasText: 'main.sh' }).click()
		assert.equal((await again.locator('.cm-content').innerText()).trim(), 'echo typed while it ran')
		await close(again, two)
	}))

test('any two lights of an animal can be compared, and a light forked', () =>
	dojo({}, async (id) => {
		const page = await visit(id)
		await sit(page, 'bear')
		await tests(page, 'echo one\nsame\ntrue\n')
		await tests(page, 'echo two\nsame\ntrue\n')
		await tests(page, 'echo three\nsame\ntrue\n')
		await page.click('#tab-changes')
		await page.selectOption('#from', { index: 0 })
		await page.selectOption('#to', { index: 2 })
		await page.waitForFunction(() => document.querySelectorAll('#changes .new').length === 1)
		assert.match(await page.locator('#changes .gone').innerText(), /echo one/)
		assert.match(await page.locator('#changes .new').innerText(), /echo three/)
		assert.equal(await page.locator('#changes-said').innerText(), '1 file changed: 1 line more, 1 line less.')
		await shot(page, 'dojo-changes')
		await lamps(page, 'bear').nth(1).click()
		await page.waitForSelector('#fork-light:not([hidden])')
		await page.waitForFunction(() => document.getElementById('light').dataset.shown === '2')
		await page.click('#fork-light')
		await page.click('#forked')
		await page.waitForSelector('#dojo[data-ready]')
		const forked = new URL(page.url()).pathname.split('/').pop()
		assert.notEqual(forked, id)
		await page.click('#taken [data-animal="bear"]')
		await page.waitForSelector('#desk:not([hidden])')
		assert.match(await page.locator('.cm-content').innerText(), /echo two/)
		await call('DELETE', `/${forked}`)
		await close(page)
	}))

test('a finished dojo can be read by all, and opened again', () =>
	dojo({}, async (id) => {
		const [one, two] = [await visit(id), await visit(id, { device: phone })]
		await sit(one, 'bear')
		await two.click('#watch')
		await tests(one, 'echo it is done')
		await one.click('#finish')
		await one.click('#sure-use')
		await two.waitForSelector('#dojo[data-state="finished"]')
		await one.waitForSelector('#dojo[data-state="finished"]')
		assert.equal(await one.locator('#desk').isVisible(), false)
		assert.match(await two.locator('#state').innerText(), /finished/)
		await lamps(two, 'bear').click()
		await two.waitForFunction(() => document.getElementById('lines').innerText.includes('it is done'))
		assert.deepEqual(await violations(two), [])
		await fits(two)
		await one.click('#reopen')
		await one.waitForSelector('#dojo[data-state="open"]')
		await one.waitForSelector('#desk:not([hidden])')
		await tests(one, 'exit 3')
		await close(one, two)
	}))

test('a fork of one animal has its files and no others', () =>
	dojo({}, async (id) => {
		await call('POST', `/${id}/users`, { name: 'fox', files: { 'main.sh': 'echo fox' } })
		await call('POST', `/${id}/users`, { name: 'owl', files: { 'main.sh': 'echo owl' } })
		const page = await visit(id)
		await page.click('#fork')
		await page.selectOption('#fork-of', 'owl')
		await page.click('#fork-dialog .primary')
		await page.waitForSelector('#forked')
		const forked = await page.locator('#forked').innerText()
		assert.deepEqual((await call('GET', `/${forked}`)).users.map(({ name }) => name), ['owl'])
		await call('DELETE', `/${forked}`)
		await close(page)
	}))

test('the end is seen coming, can be put off, and is told when it has come', () =>
	dojo({ ttl_ms: 100_000 }, async (id) => {
		const page = await visit(id)
		await page.click('#watch')
		assert.match(await page.locator('#left.left-little').innerText(), /^\d+ s left$/)
		await page.click('#prolong')
		await page.waitForFunction(() => /^1 h 0\d min left$/.test(document.getElementById('left').textContent))
		await call('PUT', `/${id}`, { ttl_ms: 500 })
		await page.waitForSelector('#dojo[data-state="expired"]')
		assert.match(await page.locator('#state').innerText(), /its time was over/)
		assert.equal(await page.locator('#prolong').isVisible(), false)
		await close(page)
	}))

test('hostile names and output are shown harmlessly', () =>
	dojo({}, async (id) => {
		const page = await visit(id)
		await sit(page, 'bear')
		const name = '<img src=x onerror=alert(1)>\\u202egpj.exe'
		await tests(page, `printf '<script>alert(1)</script>\\e[2J\\e]0;owned\\a\\xff \\u202eabc\\n'; printf '<b>x</b>\\u202e\\n' >$'${name}'; echo p >__proto__; exit 1`)
		const said = await page.locator('#lines').innerText()
		assert.ok(said.includes('<script>alert(1)</script>'))
		assert.ok(said.includes('␛[2J') && said.includes('⟨U+202E⟩'))
		await page.click('#tab-files')
		await page.waitForFunction(() => document.getElementById('view-files').innerText.includes('⟨U+202E⟩gpj.exe'))
		assert.ok((await page.locator('#view-files').innerText()).includes('__proto__'))
		assert.equal(await page.locator('#view-files img, #view-files b, #lines script').count(), 0)
		assert.ok(!(await page.locator('#tabs').innerText()).includes('onerror'), 'no such name in the editor')
		await tests(page, 'head -c 20000000 /dev/zero | tr "\\0" x')
		await page.click('#tab-output')
		assert.equal(await page.evaluate(() => 1 + 1), 2)
		assert.doesNotMatch(await page.title(), /owned/)
		await close(page)
	}))

test('a dojo that is not there says so', async () => {
	const context = await chromium.newContext(desktop)
	const page = await open(context, `${kiln.url}/dojo/no-such`)
	await page.waitForSelector('#notice.bad')
	assert.match(await page.locator('#notice').innerText(), /There is no session 'no-such'/)
	await context.close()
})
