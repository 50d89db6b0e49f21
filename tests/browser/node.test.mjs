// The node's page in Debian's Chromium.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { browser, desktop, open, phone, server, violations } from './kilnbrowser.mjs'
import { registry } from './registry.mjs'

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

for (const [name, device, colorScheme] of [['desktop', desktop, 'light'], ['desktop', desktop, 'dark'], ['phone', phone, 'light'], ['phone', phone, 'dark']])
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
			assert.ok(node.findings.length > 20, 'the doctor has looked at this host')
			assert.equal(await page.locator('#findings tbody tr').count(), node.findings.length)
			const told = await page.locator('#findings').innerText()
			for (const { name, why, mend } of node.findings) for (const said of [name, why, mend ?? '']) assert.ok(told.includes(said), `${name}: ${said} is not in ${told}`)
			const place = node.findings.filter(({ status }) => status === 'present').length
			assert.ok((await page.locator('#findings-sum').innerText()).startsWith(`${place} of ${node.findings.length} in place`))
			assert.deepEqual(await violations(page), [])
			assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= page.viewportSize().width, 'nothing is wider than the screen')
			assert.deepEqual(page.faults, [])
			if (process.env.KILN_SHOTS && name === 'desktop' && colorScheme === 'light') {
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

const pull = (source, name) => fetch(`${kiln.url}/v1/images`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ source: `docker://${source}`, name }) })

for (const [name, device, colorScheme] of [['desktop', desktop, 'dark'], ['phone', phone, 'light']])
	test(`an image that is pulled is seen to come, ${name}, ${colorScheme}, and axe has nothing to say`, async () => {
		let quick = false
		const slow = await registry(8 * 1024 * 1024, () => new Promise((over) => setTimeout(over, quick ? 0 : 250)))
		const context = await chromium.newContext({ ...device, colorScheme })
		try {
			const page = await open(context, `${kiln.url}/node`)
			await page.waitForFunction(() => Number(document.body.dataset.looks) >= 1)
			assert.equal((await pull(`${slow.address}/slow/image`, `slow-${name}`)).status, 202)
			await page.waitForFunction(() => /downloading, [\d.]+ [KM]iB of 8(\.0)? MiB, [\d.]+ [KM]iB a second/.test(document.getElementById('jobs').innerText))
			const bar = page.locator('#jobs progress')
			const before = await bar.evaluate(({ value }) => value)
			await page.waitForFunction((had) => document.querySelector('#jobs progress')?.value > had, before)
			assert.ok((await page.locator('#charts').innerText()).includes('Images, fetched and made'))
			assert.deepEqual(await violations(page), [])
			assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= page.viewportSize().width, 'nothing is wider than the screen')
			quick = true
			await page.waitForFunction((image) => document.getElementById('images').innerText.includes(image) && !document.querySelector('#jobs progress'), `slow-${name}`)
			await pull(`${slow.address}/slow/none`, `none-${name}`)
			await page.waitForFunction(() => /manifest unknown/.test(document.getElementById('jobs').innerText))
			assert.deepEqual(page.faults, [])
		} finally {
			await context.close()
			slow.stop()
		}
	})
