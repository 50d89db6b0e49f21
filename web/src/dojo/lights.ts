// The colour of a test run: what the server judged by rules of the test framework, else what its outcome says.
import type { Past } from './session'

export type Colour = 'red' | 'amber' | 'green' | 'none'

// What each framework prints when a test has failed. Whatever is neither that nor a good end did not get as far as its tests.
const failed: Record<string, string> = {
	'bash-bats': '^not ok ',
	'c-assert': 'Assertion .*failed',
	'cpp-catch2': '^test cases:.*\\d+ failed',
	'cpp-googletest': '^\\[  FAILED  \\]',
	'elixir-exunit': '\\d+ tests?, [1-9]\\d* failures?',
	'erlang-eunit': 'Failed: [1-9]',
	'go-testing': '^--- FAIL',
	'haskell-hunit': 'Failures: [1-9]',
	'java-junit': '[1-9]\\d* tests failed|Failures: [1-9]',
	'node-jest': '^Tests:.*\\d+ failed',
	'node-test': '^# fail [1-9]|^ℹ fail [1-9]',
	'perl-test-simple': '^not ok |Failed test',
	'php-phpunit': 'Failures: [1-9]',
	'python-pytest': '[1-9]\\d* failed',
	'python-unittest': '^FAILED \\(.*failures=',
	'ruby-minitest': '[1-9]\\d* failures',
	'ruby-rspec': '[1-9]\\d* failures?',
	'rust-test': '^test result: FAILED',
}

/** The traffic light to ask for; undefined where the outcome alone tells the colour. */
export function rules(language: string): { rules: object[] } | undefined {
	const regex = failed[language.split('@')[0] as string]
	return regex ? { rules: [{ status: 0, colour: 'green' }, { regex, colour: 'red' }, { colour: 'amber' }] } : undefined
}

const byOutcome: Record<string, Colour> = { ok: 'green', failed: 'red', signaled: 'red', compile_failed: 'amber' }

export function colour({ colour: judged, outcome }: Past): Colour {
	if (judged === 'red' || judged === 'amber' || judged === 'green') return judged
	return judged ? 'none' : (byOutcome[outcome] ?? 'none')
}

export const signs: Record<Colour, string> = { red: '✗', amber: '!', green: '✓', none: '?' }

/** "red", "no colour: wall time exceeded". */
export function words(run: Past): string {
	const of = colour(run)
	return of === 'none' ? `no colour: ${run.outcome.replaceAll('_', ' ')}` : of
}
