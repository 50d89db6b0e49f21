// A script of its own in the head, so that a page is never seen in the wrong colours first.
try {
	const theme = localStorage.getItem('kiln.theme')
	if (theme === 'light' || theme === 'dark') document.documentElement.dataset['theme'] = theme
} catch {
	// A browser that keeps nothing: the system's colours.
}
