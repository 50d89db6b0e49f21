// Arguments as one types them at a shell: blanks between, quotes and backslashes around what holds blanks.

export function split(text: string): string[] {
	const words: string[] = []
	let word: string | null = null
	let quote = ''
	for (let i = 0; i < text.length; i++) {
		const c = text[i] as string
		if (quote) {
			if (c === quote) quote = ''
			else if (c === '\\' && quote === '"' && /["\\]/.test(text[i + 1] ?? '')) word += text[++i] as string
			else word += c
		} else if (c === '"' || c === "'") {
			quote = c
			word ??= ''
		} else if (c === '\\' && i + 1 < text.length) word = (word ?? '') + (text[++i] as string)
		else if (/\s/.test(c)) {
			if (word !== null) words.push(word)
			word = null
		} else word = (word ?? '') + c
	}
	if (quote) throw new Error(`The arguments have a ${quote} that is not closed.`)
	if (word !== null) words.push(word)
	return words
}
