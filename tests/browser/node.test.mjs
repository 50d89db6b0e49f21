// The node's page in Debian's Chromium.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { browser, desktop, open, phone, server, violations } from './kilnbrowser.mjs'

let kiln, chromium

before(async () => {
	kiln = await server()
	chromium = await browser()
})
after(async () => {
	await chromium?.close()
	await kiln?.stop()
})

async function load(count) {
	const request = { language: 'python', files: { 'main.py': 'print(1)' } }
	for (let i = 0; i < count; i++) await fetch(`${kiln.url}/v1/runs`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(request) })
}

for (const [name, device, colorScheme] of [['desktop', desktop, 'light'], ['phone', phone, 'dark']])
	test(`it shows what the node is and does, ${name}, ${colorScheme}, and axe has nothing to say`, async () => {
		const context = await chromium.newContext({ ...device, colorScheme })
		try {
			const page = await open(context, `${kiln.url}/node`)
			await page.waitForFunction(() => Number(document.body.dataset.looks) >= 1)
			await load(5)
			await page.waitForFunction(() => /95 % [\d.]+ (µs|ms|s)/.test(document.getElementById('charts').innerText))
			await page.waitForFunction(() => document.querySelectorAll('#images tbody tr').length >= 1)
			const text = await page.locator('main').innerText()
			const node = await (await fetch(`${kiln.url}/v1/node`)).json()
			assert.match(text, /takes runs/)
			assert.ok(text.includes(node.version))
			for (const limit of node.unenforced) assert.match(text, new RegExp(`${limit.replace(/_(ms|bytes)$/, '').replaceAll('_', ' ')}\\s+cannot be enforced on this host`))
			assert.match(await page.locator('#images').innerText(), /host/)
			assert.equal(await page.locator('#limits tbody tr').count(), Object.keys(node.ceilings).length)
			assert.deepEqual(await violations(page), [])
			assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= page.viewportSize().width, 'nothing is wider than the screen')
			assert.deepEqual(page.faults, [])
			if (process.env.KILN_SHOTS && name === 'desktop') {
				await load(20)
				await page.waitForTimeout(6000)
				await page.screenshot({ path: join(process.env.KILN_SHOTS, 'node.png') })
			}
		} finally {
			await context.close()
		}
	})

test('it says when the server is away, and goes on when it is back', async () => {
	const context = await chromium.newContext(desktop)
	try {
		const page = await open(context, `${kiln.url}/node`)
		await page.waitForFunction(() => Number(document.body.dataset.looks) >= 1)
		await context.setOffline(true)
		await page.waitForSelector('#state:not([hidden])')
		assert.match(await page.locator('#state').innerText(), /cannot be reached/)
		await context.setOffline(false)
		await page.waitForSelector('#state[hidden]', { state: 'attached' })
	} finally {
		await context.close()
	}
})
