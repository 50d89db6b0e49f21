// A .tgz of the program, made here: ustar headers and the browser's own gzip.

const BLOCK = 512

function header(name: string, size: number, timeS: number): Uint8Array {
	const block = new Uint8Array(BLOCK)
	const put = (text: string, at: number): void => block.set(new TextEncoder().encode(text), at)
	const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0')
	let prefix = ''
	let rest = name
	const length = (text: string): number => new TextEncoder().encode(text).length
	// Too long for the one field: the folders go into the other.
	while (length(rest) > 100 && rest.includes('/')) {
		const cut = rest.indexOf('/')
		prefix += (prefix ? '/' : '') + rest.slice(0, cut)
		rest = rest.slice(cut + 1)
	}
	if (length(rest) > 100 || length(prefix) > 155) throw new Error(`the name ${name} is too long for an archive`)
	put(rest, 0)
	put(`${octal(0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0${octal(size, 11)}\0${octal(timeS, 11)}\0`, 100)
	put('        ', 148)
	put('0', 156)
	put('ustar\x0000', 257)
	put(prefix, 345)
	put(`${octal(block.reduce((sum, byte) => sum + byte, 0), 6)}\0 `, 148)
	return block
}

export function tar(files: Record<string, string>, timeS: number): Uint8Array[] {
	const parts: Uint8Array[] = []
	for (const [name, text] of Object.entries(files)) {
		const data = new TextEncoder().encode(text)
		parts.push(header(name, data.length, timeS), data, new Uint8Array((BLOCK - (data.length % BLOCK)) % BLOCK))
	}
	parts.push(new Uint8Array(2 * BLOCK))
	return parts
}

export function tgz(files: Record<string, string>): Promise<ArrayBuffer> {
	const stream = new Blob(tar(files, Math.floor(Date.now() / 1000)) as BlobPart[]).stream().pipeThrough(new CompressionStream('gzip'))
	return new Response(stream).arrayBuffer()
}
