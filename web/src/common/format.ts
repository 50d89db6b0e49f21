// Numbers as people read them.

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']

/** "512 bytes", "255.9 MiB"; whole numbers without a fraction. */
export function bytes(count: number): string {
	let unit = 0
	let value = count
	while (value >= 1024 && unit < units.length - 1) {
		value /= 1024
		unit++
	}
	return `${unit === 0 || Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`
}

/** Of what was used: never rounded up to a limit that was not reached. */
export function bytesUsed(count: number): string {
	let unit = 0
	let value = count
	while (value >= 1024 && unit < units.length - 1) {
		value /= 1024
		unit++
	}
	return `${unit === 0 ? value : (Math.floor(value * 10) / 10).toFixed(1)} ${units[unit]}`
}

/** "19 ms", "2.5 s", "3 min 20 s". */
export function ms(count: number): string {
	if (count < 1000) return `${Math.round(count)} ms`
	if (count < 60_000) return `${Number.isInteger(count / 1000) ? count / 1000 : (count / 1000).toFixed(count < 10_000 ? 2 : 1)} s`
	return `${Math.floor(count / 60_000)} min ${Math.floor((count % 60_000) / 1000)} s`
}

/** "3 µs", "3.1 ms", "2.5 s". */
export function us(count: number): string {
	if (count < 1000) return `${Math.round(count)} µs`
	return count < 10_000 ? `${(count / 1000).toFixed(1)} ms` : ms(count / 1000)
}

/** "1 line", "2 lines". */
export function plural(count: number, one: string, many = `${one}s`): string {
	return `${count.toLocaleString('en')} ${count === 1 ? one : many}`
}

const signals: Record<number, string> = {
	1: 'SIGHUP', 2: 'SIGINT', 3: 'SIGQUIT', 4: 'SIGILL', 5: 'SIGTRAP', 6: 'SIGABRT', 7: 'SIGBUS', 8: 'SIGFPE', 9: 'SIGKILL', 10: 'SIGUSR1',
	11: 'SIGSEGV', 12: 'SIGUSR2', 13: 'SIGPIPE', 14: 'SIGALRM', 15: 'SIGTERM', 24: 'SIGXCPU', 25: 'SIGXFSZ', 31: 'SIGSYS',
}

export function signalName(number: number): string {
	return signals[number] ?? `signal ${number}`
}
