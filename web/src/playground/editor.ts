// CodeMirror, one state for each file. It lives in a shadow tree: there it puts its styles into style sheets of the tree, which the
// Content-Security-Policy has no objection to, and not into <style> elements.
import { closeBrackets, closeBracketsKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { bracketMatching, foldKeymap, HighlightStyle, indentOnInput, indentUnit, StreamLanguage, syntaxHighlighting } from '@codemirror/language'
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState, type Extension, Prec } from '@codemirror/state'
import {
	drawSelection, dropCursor, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers, rectangularSelection,
} from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { parserFor } from './highlight'

const look = EditorView.theme({
	'&': { height: '100%', fontSize: '0.875rem', backgroundColor: 'var(--paper)', color: 'var(--ink)' },
	'&.cm-focused': { outline: '2px solid var(--focus)', outlineOffset: '-2px' },
	'.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55' },
	'.cm-content': { caretColor: 'var(--ink)', paddingBlock: '0.5rem' },
	'.cm-cursor, .cm-dropCursor': { borderLeftColor: 'var(--ink)', borderLeftWidth: '2px' },
	'.cm-gutters': { backgroundColor: 'var(--paper)', color: 'var(--faint)', borderRight: 'none' },
	'.cm-lineNumbers .cm-gutterElement': { paddingInline: '0.9rem 0.6rem' },
	'.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--line-active)' },
	'&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { background: 'var(--selection)' },
	'.cm-selectionMatch': { backgroundColor: 'var(--match)' },
	'&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--match)', outline: '1px solid var(--faint)' },
	'.cm-specialChar': { color: 'var(--bad)' },
	'.cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--ink)', borderColor: 'var(--edge)' },
	'.cm-panels input, .cm-panels button': { font: 'inherit' },
	'.cm-textfield': { backgroundColor: 'var(--paper)', color: 'var(--ink)', border: '1px solid var(--edge)' },
	'.cm-button': { backgroundImage: 'none', backgroundColor: 'var(--raised)', color: 'var(--ink)', border: '1px solid var(--edge)' },
})

const colours = HighlightStyle.define([
	{ tag: [tags.keyword, tags.modifier, tags.operatorKeyword, tags.controlKeyword], color: 'var(--code-keyword)' },
	{ tag: [tags.string, tags.special(tags.string), tags.regexp, tags.character], color: 'var(--code-string)' },
	{ tag: [tags.comment, tags.meta], color: 'var(--code-comment)', fontStyle: 'italic' },
	{ tag: [tags.number, tags.bool, tags.atom, tags.null], color: 'var(--code-number)' },
	{ tag: [tags.definition(tags.variableName), tags.function(tags.variableName), tags.standard(tags.variableName), tags.tagName], color: 'var(--code-name)' },
	{ tag: [tags.typeName, tags.className, tags.namespace], color: 'var(--code-type)' },
	{ tag: tags.invalid, color: 'var(--bad)' },
])

export interface EditorEvents {
	changed(): void
	run(): void
}

export class Editor {
	private view: EditorView
	private states = new Map<string, { state: EditorState; language: Compartment }>()
	private shown = ''

	constructor(
		host: HTMLElement,
		private events: EditorEvents,
	) {
		const root = host.attachShadow({ mode: 'open', delegatesFocus: true })
		this.view = new EditorView({ parent: root, root })
	}

	private extensions(name: string, language: Compartment): Extension {
		return [
			Prec.highest(
				keymap.of([
					{
						key: 'Mod-Enter',
						run: () => {
							this.events.run()
							return true
						},
					},
				]),
			),
			lineNumbers(), highlightActiveLineGutter(), highlightSpecialChars(), history(), drawSelection(), dropCursor(), indentOnInput(), bracketMatching(),
			closeBrackets(), rectangularSelection(), highlightActiveLine(), highlightSelectionMatches(), look, syntaxHighlighting(colours),
			indentUnit.of(/\.(py|rb|js|ts|ya?ml|hs|ex|exs|clj|lisp|scm)$/.test(name) ? (name.endsWith('.py') ? '    ' : '  ') : '    '),
			EditorState.allowMultipleSelections.of(true),
			EditorView.contentAttributes.of({ 'aria-label': `Text of ${name}`, tabindex: '0', spellcheck: 'false', autocapitalize: 'off' }),
			keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, indentWithTab]),
			EditorView.updateListener.of((update) => {
				if (update.docChanged) this.events.changed()
			}),
			language.of([]),
		]
	}

	private make(name: string, text: string): void {
		const language = new Compartment()
		this.states.set(name, { state: EditorState.create({ doc: text, extensions: this.extensions(name, language) }), language })
	}

	/** Forgets all files and has these. */
	load(files: Record<string, string>): void {
		this.states.clear()
		this.shown = ''
		for (const [name, text] of Object.entries(files)) this.make(name, text)
	}

	add(name: string, text: string): void {
		this.make(name, text)
	}

	remove(name: string): void {
		this.states.delete(name)
		if (this.shown === name) this.shown = ''
	}

	rename(from: string, to: string): void {
		const text = this.text(from)
		this.remove(from)
		this.make(to, text)
	}

	show(name: string): void {
		const file = this.states.get(name)
		if (!file || this.shown === name) return
		this.keep()
		this.shown = name
		this.view.setState(file.state)
		void parserFor(name)?.then((parser) => {
			const extension = StreamLanguage.define(parser)
			if (this.shown === name && this.states.get(name) === file) this.view.dispatch({ effects: file.language.reconfigure(extension) })
		})
	}

	text(name: string): string {
		if (this.shown === name) this.keep()
		return this.states.get(name)?.state.doc.toString() ?? ''
	}

	focus(): void {
		this.view.focus()
	}

	private keep(): void {
		const file = this.states.get(this.shown)
		if (file) file.state = this.view.state
	}
}
