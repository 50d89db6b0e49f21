// kiln.js on a page of another site, in Debian's Chromium.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { browser, desktop, patience, phone, server, violations } from './kilnbrowser.mjs'

let site, kiln, closed, chromium

const page = (url) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Documentation</title>
<meta name="viewport" content="width=device-width">
<script src="${url}/kiln.js" defer></script>
<main><h1>Documentation</h1>
<p>Try it:</p>
<pre class="kiln" data-language="python">
for name in ("clay", "fire"):
    print("Hello,", name)
</pre>
<pre class="kiln" data-language="c" data-args="one 'two words'">#include &lt;stdio.h&gt;
int main(int argc, char **argv) { printf("%d &lt;b&gt;%s&lt;/b&gt; \\x1b[31m\\n", argc, argv[2]); }
</pre>
<pre class="kiln" data-language="bash">sleep 60</pre>
<pre>not a snippet</pre></main>`

before(async () => {
	site = createServer(({ url }, answer) => {
		// As strict as a site can be that wants the widget.
		const from = url === '/other' ? closed.url : kiln.url
		const policy = `default-src 'none'; script-src ${from}; connect-src ${from} ${from.replace('http', 'ws')}; require-trusted-types-for 'script'; trusted-types 'none'`
		answer.writeHead(url === '/favicon.ico' ? 404 : 200, { 'Content-Type': 'text/html', 'Content-Security-Policy': policy })
		answer.end(page(from))
	})
	await new Promise((listening) => site.listen(0, '127.0.0.1', listening))
	site.url = `http://127.0.0.1:${site.address().port}`
	kiln = await server('--origins', site.url)
	closed = await server()
	chromium = await browser()
})
after(async () => {
	await chromium?.close()
	await kiln?.stop()
	await closed?.stop()
	site?.close()
})

async function visit(body, { path = '/', device = desktop, colorScheme = 'light' } = {}) {
	const context = await chromium.newContext({ ...device, colorScheme })
	try {
		const visitor = await context.newPage()
		visitor.setDefaultTimeout(patience)
		visitor.faults = []
		visitor.on('pageerror', (error) => visitor.faults.push(String(error)))
		visitor.on('console', (message) => message.type() === 'error' && visitor.faults.push(message.text()))
		await visitor.goto(site.url + path)
		await body(visitor, visitor.locator('.kiln-snippet'))
	} finally {
		await context.close()
	}
}

const said = (snippet, pattern) => snippet.locator('.said', { hasText: pattern }).waitFor()

for (const [name, device, colorScheme] of [['desktop', desktop, 'light'], ['phone', phone, 'dark']])
	test(`a snippet runs on another site's page with the strictest policy, ${name}, ${colorScheme}`, () =>
		visit(
			async (visitor, snippets) => {
				assert.equal(await snippets.count(), 3)
				await snippets.nth(0).getByRole('button', { name: 'Run' }).click()
				await said(snippets.nth(0), /^Finished/)
				assert.equal((await snippets.nth(0).locator('.lines').innerText()).trim(), 'Hello, clay\nHello, fire')
				await snippets.nth(1).locator('textarea').press('Control+Enter')
				await said(snippets.nth(1), /^Finished/)
				assert.equal((await snippets.nth(1).locator('.lines').innerText()).trim(), '3 <b>two words</b> ␛[31m')
				assert.deepEqual(visitor.faults.filter((fault) => !/favicon/.test(fault)), [])
				assert.deepEqual(await violations(visitor), [])
				if (process.env.KILN_SHOTS && name === 'desktop') await visitor.screenshot({ path: join(process.env.KILN_SHOTS, 'widget.png') })
			},
			{ device, colorScheme },
		))

test('what is written runs, and Reset brings back what was there', () =>
	visit(async (_, snippets) => {
		const snippet = snippets.nth(0)
		await snippet.locator('textarea').fill('print(6 * 7)')
		await snippet.getByRole('button', { name: 'Run' }).click()
		await said(snippet, /^Finished/)
		assert.equal((await snippet.locator('.lines').innerText()).trim(), '42')
		await snippet.getByRole('button', { name: 'Reset' }).click()
		assert.match(await snippet.locator('textarea').inputValue(), /^for name/)
	}))

test('a snippet that runs is stopped by the same button', () =>
	visit(async (_, snippets) => {
		const snippet = snippets.nth(2)
		await snippet.getByRole('button', { name: 'Run' }).click()
		await snippet.getByRole('button', { name: 'Stop' }).click()
		await said(snippet, /^Stopped/)
		await snippet.getByRole('button', { name: 'Run' }).waitFor()
	}))

test('the link opens the snippet in the playground', () =>
	visit(async (visitor, snippets) => {
		const link = snippets.nth(0).getByRole('link')
		await link.focus()
		await visitor.waitForFunction(() => document.querySelector('.kiln-snippet').shadowRoot.querySelector('a').href.includes('#p='))
		const [opened] = await Promise.all([visitor.context().waitForEvent('page'), link.press('Enter')])
		await opened.waitForSelector('#bar[data-ready]')
		assert.match(await opened.locator('.cm-content').innerText(), /Hello,/)
	}))

test('a kiln that does not allow the site says so, and runs nothing', () =>
	visit(
		async (_, snippets) => {
			await snippets.nth(0).getByRole('button', { name: 'Run' }).click()
			await said(snippets.nth(0), /^Not run/)
			assert.doesNotMatch(closed.log(), /"?outcome"?/)
		},
		{ path: '/other' },
	))
