import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diff, diffs, type Line } from '../src/dojo/diff'
import { changes, editable, parsed, resumed } from '../src/dojo/draft'
import { colour, rules, words } from '../src/dojo/lights'
import type { Past } from '../src/dojo/session'
import { left } from '../src/dojo/time'

const shown = (lines: Line[]): string => lines.map(({ kind, text }) => ({ same: ' ', gone: '-', new: '+' })[kind] + text).join('')
const side = (lines: Line[], not: Line['kind']): string => lines.filter(({ kind }) => kind !== not).map(({ text }) => text).join('')

test('a line that changed is gone and new, those around it stay', () => {
	assert.equal(shown(diff('a\nb\nc\n', 'a\nx\nc\n')), ' a\n-b\n+x\n c\n')
	assert.equal(shown(diff('', 'a\n')), '+a\n')
	assert.equal(shown(diff('a\nb\n', '')), '-a\n-b\n')
	assert.equal(shown(diff('same\n', 'same\n')), ' same\n')
})

test('the end of a line is part of it', () => {
	assert.equal(shown(diff('a', 'a\n')), '-a+a\n')
})

test('both sides can be read from any difference, and it is as short as can be', () => {
	let seed = 7
	const random = (below: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % below
	for (let round = 0; round < 400; round++) {
		const text = (): string => Array.from({ length: random(14) }, () => `${'abc'[random(3)]}\n`).join('')
		const [from, to] = [text(), text()]
		const lines = diff(from, to)
		assert.equal(side(lines, 'new'), from)
		assert.equal(side(lines, 'gone'), to)
		// The longest common subsequence, by the table.
		const [a, b] = [from.match(/.\n/g) ?? [], to.match(/.\n/g) ?? []]
		const best = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0))
		for (let i = 1; i <= a.length; i++) for (let j = 1; j <= b.length; j++) best[i]![j] = a[i - 1] === b[j - 1] ? best[i - 1]![j - 1]! + 1 : Math.max(best[i - 1]![j]!, best[i]![j - 1]!)
		assert.equal(lines.filter(({ kind }) => kind === 'same').length, best[a.length]![b.length])
	}
})

test('what differs in too much is told as a whole, soon', () => {
	const many = (word: string): string => Array.from({ length: 20_000 }, (_, i) => `${word} ${i}\n`).join('')
	const begin = performance.now()
	const lines = diff(`head\n${many('a')}tail\n`, `head\n${many('b')}tail\n`)
	assert.ok(performance.now() - begin < 5000)
	assert.equal(lines.length, 40_002)
	assert.equal(shown(lines).startsWith(' head\n-a 0\n'), true)
})

test('files that came, went and changed are told apart', () => {
	const all = diffs({ same: 's', old: 'o\n', both: '1\n' }, { same: 's', new: 'n\n', both: '2\n' })
	assert.deepEqual(all.map(({ name, how, gone, added }) => [name, how, gone, added]), [['both', 'changed', 1, 1], ['new', 'new', 0, 1], ['old', 'gone', 1, 0], ['same', 'same', 0, 0]])
	assert.deepEqual(diffs({}, JSON.parse('{"__proto__": "p"}') as Record<string, string>).map(({ name }) => name), ['__proto__'])
})

test('only what has changed is sent', () => {
	assert.deepEqual(changes({ base: { a: '1', b: '2', c: '3' }, now: { a: '1', b: 'x', d: '4' } }), { files: { b: 'x', d: '4' }, gone: ['c'] })
})

test('whoever comes back has what was typed, and what the test made meanwhile', () => {
	const draft = { base: { a: '1', b: '2' }, now: { a: 'typed', b: '2' } }
	assert.deepEqual(resumed({ a: '1', b: 'made', c: 'new' }, draft), { a: 'typed', b: 'made', c: 'new' })
	assert.deepEqual(resumed({ a: '1' }, null), { a: '1' })
	assert.deepEqual(resumed({ a: '1', b: '2' }, { base: { a: '1', b: '2' }, now: { a: '1' } }), { a: '1' })
})

test('what was sent and arrived is the server\'s, what did not arrive is the reader\'s', () => {
	const draft = { base: { a: '1' }, now: { a: 'sent' }, sent: { a: 'sent' } }
	assert.deepEqual(resumed({ a: 'formatted by the test' }, draft), { a: 'formatted by the test' })
	assert.deepEqual(resumed({ a: '1' }, draft), { a: 'sent' })
	assert.deepEqual(resumed({ a: 'sent' }, { ...draft, now: { a: 'typed later' } }), { a: 'typed later' })
})

test('a draft that is none is none', () => {
	for (const text of [null, '', '[]', '{}', '{"base":{"a":1},"now":{}}', 'null']) assert.equal(parsed(text), null)
	assert.deepEqual(parsed('{"base":{},"now":{"a":"1"}}'), { base: {}, now: { a: '1' } })
})

test('the editor takes text with proper names, and says how many others there are', () => {
	const file = (content: string, encoding: 'utf-8' | 'base64' = 'utf-8') => ({ content, encoding, mode: '0644' })
	assert.deepEqual(editable({ a: file('1'), 'b\u202e': file('2'), bin: file('AAA=', 'base64'), nul: file('\0') }), { texts: { a: '1' }, others: 3 })
})

test('the colour is the judged one, else that of the outcome', () => {
	const run = (outcome: string, judged?: string): Past => ({ number: 1, id: 'i', user: 'lion', ended_ms: 0, outcome, exit_code: 0, wall_ms: 0, ...(judged && { colour: judged }) })
	assert.deepEqual(['ok', 'failed', 'compile_failed', 'wall_time_exceeded'].map((outcome) => colour(run(outcome))), ['green', 'red', 'amber', 'none'])
	assert.equal(colour(run('failed', 'amber')), 'amber')
	assert.equal(words(run('wall_time_exceeded', 'faulty')), 'no colour: wall time exceeded')
	assert.equal(rules('python'), undefined)
	assert.equal(rules('python-unittest@3.13')?.rules.length, 3)
})

test('time that is left is told as people do', () => {
	assert.deepEqual([-5, 45_000, 119_001, 3_540_000, 7_500_000].map(left), ['0 s', '45 s', '2 min', '59 min', '2 h 05 min'])
})
