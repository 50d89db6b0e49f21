import assert from 'node:assert/strict'
import { test } from 'node:test'
import { visible } from '../src/common/visible'

const shown = (text: string): string => visible(text).map((piece) => piece.text).join('')

test('plain text, tabs and ends of lines stay what they are', () => {
	assert.deepEqual(visible('a\tb\nünïcödé 日本語 שלום 👩‍🚀\n'), [{ text: 'a\tb\nünïcödé 日本語 שלום 👩‍🚀\n' }])
	assert.deepEqual(visible(''), [])
})

test('every control character but tab and line feed gets a sign', () => {
	for (let code = 0; code < 0xa0; code++) {
		if (code === 9 || code === 10 || (code >= 0x20 && code < 0x7f)) continue
		const [piece, ...rest] = visible(String.fromCharCode(code))
		assert.ok(piece?.what && rest.length === 0, `U+${code.toString(16)}`)
		assert.doesNotMatch(piece.text, /[\u0000-\u001f\u007f-\u009f]/)
	}
})

test('what turns the direction of text gets a sign', () => {
	for (const code of [0x061c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069])
		assert.equal(shown(String.fromCharCode(code)), `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`)
})

test('what cannot be seen gets a sign, tags beyond the first plane too', () => {
	assert.equal(shown('a\u200bb\ufeffc\u{e0041}'), 'a⟨U+200B⟩b⟨U+FEFF⟩c⟨U+E0041⟩')
})
