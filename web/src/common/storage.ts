// localStorage, for browsers that have none or whose is full too: then nothing is kept, and all else works.

export function read(key: string): string | null {
	try {
		return localStorage.getItem(key)
	} catch {
		return null
	}
}

export function write(key: string, value: string): void {
	try {
		localStorage.setItem(key, value)
	} catch {
		// Not kept.
	}
}
