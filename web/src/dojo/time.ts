// Time that is left, as people say it.

/** "2 h 05 min", "59 min", "45 s". */
export function left(ms: number): string {
	const seconds = Math.max(0, Math.ceil(ms / 1000))
	if (seconds < 120) return `${seconds} s`
	const minutes = Math.floor(seconds / 60)
	return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}
