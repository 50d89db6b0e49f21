# bash completion for kiln(1). The program itself is asked for its commands, options, limits and languages, so that this
# file need not know them.

# The commands, one a line: the first words of the indented lines of `kiln help`.
_kiln_commands() {
	"$1" help 2>/dev/null | sed -n 's/^  \([a-z]\+\) .*/\1/p'
}

# The options of a command, settings included.
_kiln_options() {
	"$1" help "$2" 2>/dev/null | grep -oE -e '^ +(-[a-z], )?--[a-z][a-z.-]*' | grep -oE -e '--[a-z.-]+' | sort -u
}

_kiln_limits() {
	"$1" help run 2>/dev/null | sed -n '/^Limits/,/^$/s/^  \([a-z_]\+\) .*/\1=/p'
}

# Ids of the languages: the first column under the heading of `kiln languages`.
_kiln_languages() {
	"$1" languages 2>/dev/null | sed -n '2,$s/^\([a-z][a-z0-9+#.-]*\) .*/\1/p'
}

# What `kiln image` can do: the first words of that paragraph.
_kiln_image_verbs() {
	"$1" help image 2>/dev/null | sed -n '/^What can be done/,/^$/s/^  \([a-z]\+\) .*/\1/p'
}

# Names of the images: the first column under the heading.
_kiln_images() {
	"$1" image list 2>/dev/null | sed -n '2,$s/^\([^ ]\+\) .*/\1/p'
}

_kiln() {
	local program=$1 current=$2 previous=$3 command='' i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		# Behind -- stands the sandbox's own command.
		[[ ${COMP_WORDS[i]} != -- ]] || return 0
		[[ -n $command || ${COMP_WORDS[i]} == -* ]] || command=${COMP_WORDS[i]}
	done
	if [[ -z $command ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_kiln_commands "$program") --version --help" -- "$current")
		return 0
	fi
	case $previous in
	-l | --language) mapfile -t COMPREPLY < <(compgen -W "$(_kiln_languages "$program")" -- "$current") ;;
	-i | --image) mapfile -t COMPREPLY < <(compgen -W "host $(_kiln_images "$program")" -- "$current") ;;
	--network) mapfile -t COMPREPLY < <(compgen -W 'none loopback' -- "$current") ;;
	--limit)
		mapfile -t COMPREPLY < <(compgen -W "$(_kiln_limits "$program")" -- "$current")
		compopt -o nospace
		;;
	image) mapfile -t COMPREPLY < <(compgen -W "$(_kiln_image_verbs "$program")" -- "$current") ;;
	inspect | rm) mapfile -t COMPREPLY < <(compgen -W "$(_kiln_images "$program")" -- "$current") ;;
	help) mapfile -t COMPREPLY < <(compgen -W "$(_kiln_commands "$program")" -- "$current") ;;
	*)
		if [[ $current == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_kiln_options "$program" "$command")" -- "$current")
		else
			compopt -o default
		fi
		;;
	esac
}

complete -F _kiln kiln
