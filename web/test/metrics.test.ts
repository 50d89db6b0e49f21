import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ceiling } from '../src/node/chart'
import { between, buckets, parse, quantile, total } from '../src/node/metrics'

const text = `# HELP kiln_runs_total Runs.
# TYPE kiln_runs_total counter
kiln_runs_total{outcome="ok"} 5
kiln_runs_total{outcome="failed",why="a \\"b\\" {c}"} 2
kiln_run_seconds_bucket{le="0.01"} 4
kiln_run_seconds_bucket{le="0.1"} 8
kiln_run_seconds_bucket{le="+Inf"} 10
kiln_engine_healthy 1
`

test('a page of metrics is read with its labels', () => {
	const samples = parse(text)
	assert.equal(samples.length, 6)
	assert.deepEqual(samples[1], { name: 'kiln_runs_total', labels: { outcome: 'failed', why: 'a "b" {c}' }, value: 2 })
	assert.equal(total(samples, 'kiln_runs_total'), 7)
	assert.equal(total(samples, 'kiln_runs_total', { outcome: 'ok' }), 5)
	assert.equal(total(samples, 'nothing'), 0)
})

test('percentiles lie within their bucket, and there are none without observations', () => {
	const all = buckets(parse(text), 'kiln_run_seconds')
	assert.equal(quantile(all, 0.2), 0.005)
	assert.equal(quantile(all, 0.4), 0.01)
	assert.ok(Math.abs((quantile(all, 0.6) as number) - 0.055) < 1e-9)
	assert.equal(quantile(all, 0.99), 0.1)
	assert.equal(quantile(between(all, all), 0.5), null)
	assert.equal(quantile([], 0.5), null)
})

test('a server that began again gives no negative rates', () => {
	assert.deepEqual(between([[1, 5]], [[1, 2]]), [[1, 0]])
})

test('charts end at numbers that read well', () => {
	assert.deepEqual([0, 0.3, 1, 1.2, 4, 7, 10, 1300].map(ceiling), [1, 0.5, 1, 2, 5, 10, 10, 2000])
})
