// Light, dark, or what the system says; kept in this browser.
import { read, write } from './storage'

const next = { system: 'light', light: 'dark', dark: 'system' } as const
type Theme = keyof typeof next

function current(): Theme {
	const kept = read('kiln.theme')
	return kept === 'light' || kept === 'dark' ? kept : 'system'
}

export function isDark(): boolean {
	const theme = current()
	return theme === 'system' ? matchMedia('(prefers-color-scheme: dark)').matches : theme === 'dark'
}

const listeners: (() => void)[] = []

/** Calls `listener` whenever the colours change. */
export function onTheme(listener: () => void): void {
	listeners.push(listener)
}

/** Makes the button with the id "theme" go through the three. */
export function themeButton(): void {
	const button = document.getElementById('theme') as HTMLButtonElement
	const show = (): void => {
		const theme = current()
		if (theme === 'system') delete document.documentElement.dataset['theme']
		else document.documentElement.dataset['theme'] = theme
		button.textContent = { system: '◐', light: '☀', dark: '☾' }[theme]
		button.setAttribute('aria-label', `Colours: ${theme === 'system' ? "the system's" : theme}. Change to ${next[theme] === 'system' ? "the system's" : next[theme]}.`)
		button.title = `Colours: ${theme}`
		for (const listener of listeners) listener()
	}
	button.addEventListener('click', () => {
		write('kiln.theme', next[current()])
		show()
	})
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show)
	show()
}
