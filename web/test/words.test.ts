import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunResult, Step } from '../src/common/api'
import { bytes, bytesUsed, ms, us } from '../src/common/format'
import { tar } from '../src/playground/archive'
import { split } from '../src/playground/args'
import { picture } from '../src/playground/artefacts'
import { measures, verdict } from '../src/playground/verdict'

const MiB = 1024 * 1024
const step: Step = { name: 'run', outcome: 'ok', exit_code: 0, signal: null, wall_ms: 19, cpu_ms: 12, memory_peak_bytes: 9 * MiB, processes_peak: 1, limit: null }
const result = (outcome: string, last: Partial<Step>): RunResult => ({
	id: '1', outcome, steps: [{ ...step, outcome, ...last }], timing: { queue_us: 0, acquire_us: 0, upload_us: 0, exec_us: 0, collect_us: 0, total_us: 0 },
})
const said = (outcome: string, last: Partial<Step> = {}): string => {
	const { title, text } = verdict(result(outcome, last))
	return `${title}: ${text}`
}

test('a verdict is a sentence that names limit and use', () => {
	const limit = (name: string, value: number, used: number): Partial<Step> => ({ exit_code: null, signal: 9, limit: { name, value, used, enforced_by: 'cgroup' } })
	assert.equal(said('ok'), 'Finished: Exit code 0 after 19 ms, 9.0 MiB of memory.')
	assert.equal(said('failed', { exit_code: 3 }), 'Failed: Ended with exit code 3, after 19 ms, 9.0 MiB of memory.')
	assert.equal(said('signaled', { exit_code: null, signal: 11 }), 'Crashed: Killed by SIGSEGV, which kiln did not send, after 19 ms, 9.0 MiB of memory.')
	assert.equal(said('memory_exceeded', limit('memory_bytes', 256 * MiB, 255.96 * MiB)), 'Out of memory: Killed at 256 MiB: the limit; 255.9 MiB were used.')
	assert.equal(said('wall_time_exceeded', limit('wall_ms', 500, 501)), 'Took too long: Killed at 500 ms: the limit; it had run for 501 ms.')
	assert.equal(said('cpu_time_exceeded', limit('cpu_ms', 10_000, 10_004)), 'Too much processor time: Killed at 10 s of processor time: the limit; 10.0 s were used.')
	assert.equal(said('processes_exceeded', { exit_code: 1, limit: { name: 'processes', value: 64, used: 64, enforced_by: 'cgroup' } }), 'Too many processes: Stopped at 64 processes: the limit; 64 processes were there.')
	assert.equal(said('compile_failed', { name: 'compile', exit_code: 1 }), 'Not compiled: The compiler: ended with exit code 1.')
	assert.equal(said('cancelled', { exit_code: null, signal: 9 }), 'Stopped: Stopped by you after 19 ms, 9.0 MiB of memory.')
	assert.equal(verdict({ ...result('cancelled', {}), steps: [] }).text, 'Stopped by you before it began.')
	assert.match(said('engine_error', { error: 'init died' }), /kiln's own fault: init died/)
	assert.match(verdict({ ...result('engine_error', {}), steps: [] }).text, /no reason/)
})

test('bars are of what was used, against the limit that held', () => {
	assert.deepEqual(measures(step, { wall_ms: 100, memory_bytes: 18 * MiB }), [
		{ label: 'Time', used: 19, limit: 100, text: '19 ms of 100 ms' },
		{ label: 'Memory', used: 9 * MiB, limit: 18 * MiB, text: '9.0 MiB of 18 MiB' },
	])
})

test('amounts read well, and what was used is never rounded up', () => {
	assert.deepEqual([0, 1023, 1024, 1536, 256 * MiB].map(bytes), ['0 bytes', '1023 bytes', '1 KiB', '1.5 KiB', '256 MiB'])
	assert.equal(bytesUsed(256 * MiB - 1), '255.9 MiB')
	assert.deepEqual([0, 999, 1000, 2500, 65_000].map(ms), ['0 ms', '999 ms', '1 s', '2.50 s', '1 min 5 s'])
	assert.deepEqual([3, 3100, 2_500_000].map(us), ['3 µs', '3.1 ms', '2.50 s'])
})

test('arguments are split as a shell does', () => {
	assert.deepEqual(split(`  one 'two words' "a \\"q\\"" back\\ slash '' x'y'z `), ['one', 'two words', 'a "q"', 'back slash', '', 'xyz'])
	assert.throws(() => split("'open"), /not closed/)
})

test('a tar has blocks of 512 bytes, two at the end, and right checksums', () => {
	const bytes = Buffer.concat(tar({ 'a.txt': 'hello', [`${'d/'.repeat(80)}f`]: 'x' }, 1_700_000_000))
	assert.equal(bytes.length, 512 * 6)
	assert.equal(bytes.subarray(257, 263).toString(), 'ustar\0')
	const sum = Number.parseInt(bytes.subarray(148, 154).toString(), 8)
	const header = Buffer.from(bytes.subarray(0, 512))
	header.fill(32, 148, 156)
	assert.equal(header.reduce((total, byte) => total + byte, 0), sum)
	assert.throws(() => tar({ ['x'.repeat(101)]: '' }, 0), /too long/)
})

test('a picture is known by its bytes, and only a few kinds are', () => {
	const of = (text: string): Uint8Array => Uint8Array.from(text.padEnd(40, '\0'), (character) => character.charCodeAt(0))
	assert.equal(picture('x', of('\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03'))?.pixels, 6)
	assert.equal(picture('x.html', of('GIF89a\x02\0\x03\0'))?.type, 'image/gif')
	assert.equal(picture('page.png', of('<html>')), null)
	assert.equal(picture('page.html', of('<svg xmlns=')), null)
	assert.equal(picture('x.svg', of('<svg>'))?.type, 'image/svg+xml')
})
