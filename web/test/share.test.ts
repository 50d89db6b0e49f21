import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LINK_CHARACTERS, nameFault, packed, type Program, program, unpacked } from '../src/playground/share'

const whole: Program = { language: 'c', version: '12', files: { 'main.c': 'int main;\n', 'a/b': '' }, stdin: 'in', args: '1 2', limits: { wall_ms: 5 }, terminal: true }

test('a program comes back from a link as it was', async () => {
	const text = await packed(whole)
	assert.match(text, /^[\w-]+$/)
	assert.deepEqual(await unpacked(text), whole)
})

test('what is too large for a link is refused in a sentence', async () => {
	let state = 1
	const noise = Array.from({ length: 200_000 }, () => String.fromCharCode(33 + ((state = (state * 48271) % 2147483647) % 90))).join('')
	await assert.rejects(packed({ language: 'c', files: { a: noise } }), /too large for a link/)
	await assert.rejects(unpacked('x'.repeat(LINK_CHARACTERS + 1)), /too long/)
})

test('a bomb is given up while it unpacks', async () => {
	const bomb = await packed({ language: 'c', files: { a: 'a'.repeat(8_000_000) } })
	assert.ok(bomb.length < 20_000)
	await assert.rejects(unpacked(bomb), /too large/)
})

test('what is no program is refused', async () => {
	const pack = (value: unknown): Promise<string> => packed(value as Program)
	for (const value of [null, 1, [], {}, { language: 'c' }, { language: 'c', files: [] }, { language: 1, files: { a: '' } }, { language: 'c', files: { a: null } }, { language: 'c', files: { '/a': '' } }])
		await assert.rejects(unpacked(await pack(value)), /does not hold a program/, JSON.stringify(value))
	for (const text of ['', '%', 'AAAA', 'e30']) await assert.rejects(unpacked(text), /damaged/)
})

test('fields that nobody knows, and limits that are none, are left out', async () => {
	const text = await packed({ ...whole, limits: { wall_ms: -1, memory_bytes: 1.5, cpu_ms: 7, nonsense: 3 }, evil: 1 } as unknown as Program)
	assert.deepEqual(await unpacked(text), { ...whole, limits: { cpu_ms: 7 } })
})

test('a draft that is damaged is none', () => {
	assert.equal(program(null), null)
	assert.equal(program('{'), null)
	assert.equal(program('{"language":"c"}'), null)
	assert.deepEqual(program(JSON.stringify(whole)), whole)
})

test('a name is a relative path of visible characters', () => {
	for (const good of ['a', 'a/b.c', '.hidden', 'ünï cödé', '...']) assert.equal(nameFault(good), '', good)
	for (const bad of ['', '/a', 'a/', 'a//b', '.', '..', 'a/../b', 'a\nb', 'a\\b', 'a\u202eb', 'x'.repeat(201)]) assert.notEqual(nameFault(bad), '', bad)
})
