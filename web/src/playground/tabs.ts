// A row of tabs as screen readers and keyboards expect it: one of them is in the tab order, arrows go to the others.

export function arrows(list: HTMLElement, choose: (tab: HTMLElement) => void): void {
	list.addEventListener('keydown', (event) => {
		const tabs = [...list.querySelectorAll<HTMLElement>('[role=tab]')]
		const at = tabs.indexOf(document.activeElement as HTMLElement)
		const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key]
		if (at < 0 || to === undefined) return
		event.preventDefault()
		const tab = tabs[(to + tabs.length) % tabs.length] as HTMLElement
		choose(tab)
		tab.focus()
	})
}

/** Marks one tab of a list as chosen. */
export function select(list: HTMLElement, chosen: HTMLElement): void {
	for (const tab of list.querySelectorAll<HTMLElement>('[role=tab]')) {
		tab.setAttribute('aria-selected', String(tab === chosen))
		tab.tabIndex = tab === chosen ? 0 : -1
	}
}

/** Tabs that each have a panel of their own. */
export function views(list: HTMLElement): (id: string) => void {
	const show = (tab: HTMLElement): void => {
		select(list, tab)
		for (const other of list.querySelectorAll<HTMLElement>('[role=tab]')) {
			const panel = document.getElementById(other.getAttribute('aria-controls') as string)
			if (panel) panel.hidden = other !== tab
		}
	}
	list.addEventListener('click', (event) => {
		const tab = (event.target as HTMLElement).closest<HTMLElement>('[role=tab]')
		if (tab) show(tab)
	})
	arrows(list, show)
	return (id) => show(document.getElementById(id) as HTMLElement)
}
