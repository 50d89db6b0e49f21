// The few helpers that make elements; none takes markup, so nothing that a program printed can become any.

type Child = Node | string
type Props<T> = Partial<Omit<T, 'style' | 'dataset' | 'children'>> & { attrs?: Record<string, string> }

export function el<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props<HTMLElementTagNameMap[K]> = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
	const element = document.createElement(tag)
	const { attrs, ...rest } = props
	Object.assign(element, rest)
	for (const [name, value] of Object.entries(attrs ?? {})) element.setAttribute(name, value)
	element.append(...children)
	return element
}

export function svg(tag: string, attrs: Record<string, string | number>, ...children: Child[]): SVGElement {
	const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
	for (const [name, value] of Object.entries(attrs)) element.setAttribute(name, String(value))
	element.append(...children)
	return element
}

/** An element of the page that is known to be there. */
export function need<T extends HTMLElement = HTMLElement>(id: string): T {
	const element = document.getElementById(id)
	if (!element) throw new Error(`the page has no #${id}`)
	return element as T
}

/** Makes the buttons of dialogs that only close them work. */
export function closers(): void {
	document.addEventListener('click', ({ target }) => {
		if ((target as HTMLElement).matches('[data-close]')) (target as HTMLElement).closest('dialog')?.close('cancel')
	})
}

/** Saves bytes as a file of the reader's. The type says nothing, so that no browser opens them. */
export function download(name: string, bytes: BlobPart[]): void {
	const url = URL.createObjectURL(new Blob(bytes, { type: 'application/octet-stream' }))
	el('a', { href: url, download: name.split('/').pop() || 'file' }).click()
	setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
