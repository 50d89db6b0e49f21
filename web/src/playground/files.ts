// The files of the program: a tab each, and an editor for the one that is chosen.
import { el, need } from '../common/dom'
import { Editor, type EditorEvents } from './editor'
import { nameFault } from './share'
import { arrows, select } from './tabs'

const FILES_MAX = 64

export class Files {
	private names: string[] = []
	private active = ''
	private list = need('tabs')
	private panel = need('editor')
	private editor: Editor

	constructor(private events: EditorEvents) {
		this.editor = new Editor(this.panel, events)
		this.list.addEventListener('click', (event) => {
			const tab = (event.target as HTMLElement).closest<HTMLElement>('[role=tab]')
			if (tab) this.show(tab.dataset['name'] as string)
		})
		arrows(this.list, (tab) => this.show(tab.dataset['name'] as string))
		this.list.addEventListener('keydown', ({ key, target }) => {
			const name = (target as HTMLElement).dataset['name']
			if (!name || (key !== 'F2' && key !== 'Delete')) return
			this.show(name)
			void (key === 'F2' ? this.askRename() : this.askDelete())
		})
		this.list.addEventListener('dblclick', () => void this.askRename())
		need('add').addEventListener('click', () => void this.askAdd())
		need('rename').addEventListener('click', () => void this.askRename())
		need('delete').addEventListener('click', () => void this.askDelete())
	}

	load(files: Record<string, string>): void {
		this.names = Object.keys(files)
		this.editor.load(files)
		this.active = ''
		this.show(this.names[0] ?? '')
	}

	get(): Record<string, string> {
		return Object.fromEntries(this.names.map((name) => [name, this.editor.text(name)]))
	}

	/** Has this text under this name from now on, as if it had never been otherwise. */
	put(name: string, text: string): void {
		if (!this.names.includes(name)) this.names.push(name)
		else if (this.editor.text(name) === text) return
		else this.editor.remove(name)
		this.editor.add(name, text)
		this.show(this.active)
	}

	drop(name: string): void {
		if (!this.names.includes(name) || this.names.length < 2) return
		this.names = this.names.filter((other) => other !== name)
		this.editor.remove(name)
		this.show(this.active === name ? (this.names[0] as string) : this.active)
	}

	focus(): void {
		this.editor.focus()
	}

	private show(name: string): void {
		this.active = name
		this.editor.show(name)
		this.draw()
	}

	private draw(): void {
		const tabs = this.names.map((name) => {
			const tab = el('button', { type: 'button', title: name }, name)
			tab.setAttribute('role', 'tab')
			tab.setAttribute('aria-controls', 'editor')
			tab.dataset['name'] = name
			return tab
		})
		const focused = this.list.contains(document.activeElement)
		this.list.replaceChildren(...tabs)
		const chosen = tabs[this.names.indexOf(this.active)]
		if (!chosen) return
		select(this.list, chosen)
		if (focused) chosen.focus()
		chosen.scrollIntoView({ block: 'nearest', inline: 'nearest' })
		this.panel.setAttribute('aria-label', `Editor of ${this.active}`)
		;(need('delete') as HTMLButtonElement).disabled = this.names.length < 2
		;(need('add') as HTMLButtonElement).disabled = this.names.length >= FILES_MAX
	}

	private async askAdd(): Promise<void> {
		const name = await this.askName('Add a file', 'Add', '')
		if (!name) return
		this.names.push(name)
		this.editor.add(name, '')
		this.show(name)
		this.editor.focus()
		this.events.changed()
	}

	private async askRename(): Promise<void> {
		const from = this.active
		const name = await this.askName(`Rename ${from}`, 'Rename', from)
		if (!name || name === from) return
		this.names[this.names.indexOf(from)] = name
		this.editor.rename(from, name)
		this.show(name)
		this.events.changed()
	}

	private async askDelete(): Promise<void> {
		const name = this.active
		if (this.names.length < 2) return
		if (this.editor.text(name).trim() && !(await sure(`Delete ${name}?`, 'Delete'))) return
		const at = this.names.indexOf(name)
		this.names.splice(at, 1)
		this.editor.remove(name)
		this.show(this.names[Math.max(0, at - 1)] as string)
		this.list.querySelector<HTMLElement>('[aria-selected=true]')?.focus()
		this.events.changed()
	}

	private askName(title: string, button: string, old: string): Promise<string | null> {
		const dialog = need<HTMLDialogElement>('name-dialog')
		const input = need<HTMLInputElement>('name-input')
		const fault = need('name-fault')
		need('name-title').textContent = title
		need('name-use').textContent = button
		input.value = old
		fault.textContent = ''
		return new Promise((resolve) => {
			const form = dialog.querySelector('form') as HTMLFormElement
			const finish = (name: string | null): void => {
				form.onsubmit = null
				dialog.onclose = null
				if (dialog.open) dialog.close()
				resolve(name)
			}
			form.onsubmit = (event) => {
				event.preventDefault()
				const name = input.value.trim()
				const wrong = nameFault(name) || (name !== old && this.names.includes(name) ? 'There is a file with this name.' : '')
				fault.textContent = wrong
				if (!wrong) finish(name)
			}
			dialog.onclose = () => finish(null)
			dialog.showModal()
			input.setSelectionRange(0, old.lastIndexOf('.') > 0 ? old.lastIndexOf('.') : old.length)
		})
	}
}

/** Asks whether that is meant. */
export function sure(title: string, button: string): Promise<boolean> {
	const dialog = need<HTMLDialogElement>('sure-dialog')
	need('sure-title').textContent = title
	need('sure-use').textContent = button
	dialog.returnValue = ''
	return new Promise((resolve) => {
		dialog.onclose = () => resolve(dialog.returnValue === 'use')
		dialog.showModal()
	})
}
