// Builds the pages: node build.mjs SOURCE OUTPUT
//
// Leaves OUTPUT/files, which holds what the program serves (tools/embed-folder), and OUTPUT/page.d, the list of files it was made of, for ninja.
import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, join, relative, resolve } from 'node:path'

const [source, output] = process.argv.slice(2).map((path) => resolve(path))
const esbuild = createRequire(join(output, 'node_modules/'))('esbuild')
const files = join(output, 'files')
const pages = (await readdir(join(source, 'src/pages'))).filter((name) => name.endsWith('.html')).sort()
const nameOf = (page) => (page === 'index.html' ? 'playground' : basename(page, '.html'))
const used = new Set([join(source, 'build.mjs'), join(source, 'package-lock.json'), join(source, 'src/pages'), join(source, 'src/pages/parts')])

const common = {
	absWorkingDir: output,
	bundle: true,
	charset: 'utf8',
	legalComments: 'none', // all licences are in licences.txt
	logLevel: 'warning',
	metafile: true,
	minify: true,
	nodePaths: [join(output, 'node_modules')],
	target: ['chrome111', 'firefox113', 'safari16.4'],
}

async function bundle(options) {
	const { metafile } = await esbuild.build({ ...common, ...options })
	for (const input of Object.keys(metafile.inputs)) used.add(resolve(output, input))
	return metafile
}

// The built file of each entry point, with those that it cannot do without.
function entries(metafile) {
	const found = new Map()
	for (const [path, made] of Object.entries(metafile.outputs)) {
		if (!made.entryPoint) continue
		const needs = new Set()
		const follow = (from) => {
			for (const { path: to, kind } of metafile.outputs[from].imports) {
				if (kind !== 'import-statement' || needs.has(to)) continue
				needs.add(to)
				follow(to)
			}
		}
		follow(path)
		found.set(relative(source, resolve(output, made.entryPoint)), {
			path: relative(files, resolve(output, path)),
			needs: [...needs].map((need) => relative(files, resolve(output, need))),
		})
	}
	return found
}

async function licences() {
	const names = new Set()
	for (const path of used) {
		const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)
		if (found) names.add(found[1])
	}
	const texts = []
	for (const name of [...names].sort()) {
		const folder = join(output, 'node_modules', name)
		const licence = (await readdir(folder)).find((file) => /^licen[cs]e/i.test(file))
		if (!licence) throw new Error(`${name} has no licence`)
		const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
		texts.push(`${name} ${version}\n\n${(await readFile(join(folder, licence), 'utf8')).trim()}\n`)
	}
	return `The pages of kiln contain these packages.\n\n${texts.join('\n' + '-'.repeat(72) + '\n\n')}`
}

await rm(files, { recursive: true, force: true })
await mkdir(join(files, 'assets'), { recursive: true })

const scripts = entries(
	await bundle({
		entryPoints: pages.map((name) => join(source, 'src', nameOf(name), 'main.ts')),
		outdir: join(files, 'assets'),
		entryNames: '[dir]-[hash]',
		chunkNames: '[name]-[hash]',
		outbase: join(source, 'src'),
		format: 'esm',
		splitting: true,
	}),
)
const others = entries(
	await bundle({
		entryPoints: [join(source, 'src/common/theme-early.ts'), ...pages.map((name) => join(source, 'src/style', `${nameOf(name)}.css`))],
		outdir: join(files, 'assets'),
		entryNames: '[name]-[hash]',
		format: 'iife',
	}),
)

// Which file is the program of each language, for the widget.
const sourceFiles = {}
for (const name of await readdir(join(source, '../languages'))) {
	const path = join(source, '../languages', name)
	const text = await readFile(path, 'utf8')
	const [, id] = /^id: (\S+)$/m.exec(text) ?? []
	const [, file] = /^source_file: (\S+)$/m.exec(text) ?? []
	if (id && file) sourceFiles[id] = file
	used.add(path)
}
await bundle({
	entryPoints: { kiln: join(source, 'src/widget/kiln.ts') },
	outdir: files,
	format: 'iife',
	define: { SOURCE_FILES: JSON.stringify(sourceFiles) },
})

const icon = await readFile(join(source, 'src/style/icon.svg'))
const iconPath = `assets/icon-${createHash('sha256').update(icon).digest('hex').slice(0, 8)}.svg`
await writeFile(join(files, iconPath), icon)

const licencesText = await licences()
const licencesPath = `assets/licences-${createHash('sha256').update(licencesText).digest('hex').slice(0, 8)}.txt`
await writeFile(join(files, licencesPath), licencesText)

// {{include NAME: TEXT}} is a part that pages share; in it {{page}} is the page's name, {{text}} the TEXT, {{current NAME}} the mark of the page that one is at.
async function assembled(path, page) {
	used.add(path)
	const text = await readFile(path, 'utf8')
	const parts = new Map()
	for (const [, name] of text.matchAll(/\{\{include (\S+?)(?:: .*)?\}\}/g)) parts.set(name, await assembled(join(source, 'src/pages/parts', `${name}.html`), page))
	return text
		.replace(/\{\{include (\S+?)(?:: (.*))?\}\}\n/g, (_, name, said = '') => parts.get(name).replaceAll('{{text}}', () => said))
		.replace(/\{\{current (\S+?)\}\}/g, (_, name) => (name === page ? ' aria-current="page"' : ''))
		.replaceAll('{{page}}', page)
}

// {{src/…}} is the built file of that source; {{preload src/…}} the links that fetch what it imports along with it.
for (const page of pages) {
	const path = join(source, 'src/pages', page)
	const built = (name) => {
		const entry = scripts.get(name) ?? others.get(name)
		if (!entry) throw new Error(`${path}: nothing is built of ${name}`)
		return entry
	}
	const text = await assembled(path, nameOf(page))
	const write = async (name, base) => {
		const html = text
			.replace(/\{\{preload (\S+?)\}\}/g, (_, entry) => built(entry).needs.map((need) => `<link rel="modulepreload" href="${base}${need}">`).join('\n'))
			.replaceAll('{{base}}', base)
			.replaceAll('{{icon}}', base + iconPath)
			.replaceAll('{{licences}}', base + licencesPath)
			.replace(/\{\{(\S+?)\}\}/g, (_, entry) => base + built(entry).path)
		await writeFile(join(files, name), html)
	}
	await write(page, '')
	// Each dojo has a page of its own, a folder further down.
	if (page === 'dojo.html') {
		await mkdir(join(files, 'dojo'), { recursive: true })
		await write('dojo/session.html', '../')
	}
}

const escaped = [...used].filter((path) => !path.includes(' ')).sort()
await writeFile(join(output, 'page.d'), `web/page.stamp: ${escaped.join(' ')}\n`)
