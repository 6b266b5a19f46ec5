# SPDX-License-Identifier: Apache-2.0
# Completion of multiall for bash. Verbs and options come from the program itself.
_multiall()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} i verb= root=()
	local -a words=()

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--root)
			root=(--root "${COMP_WORDS[i + 1]}")
			i=$((i + 1))
			;;
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
	case $before in
	--role)
		mapfile -t COMPREPLY < <(compgen -W witness -- "$word")
		return
		;;
	--root | --adopt)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return
		;;
	esac
	verb=${words[0]-}
	[ "$verb" = pool ] && verb="pool ${words[1]-}"
	case "${words[0]-} ${words[1]-}" in
	'health explain' | 'health check' | 'health codes' | 'health lint' | 'health set' | 'health rules')
		verb="health ${words[1]}"
		;;
	esac
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(multiall help $verb 2>/dev/null |
			grep -o -e '--[a-z-]*' | sort -u)" -- "$word")
	elif [ ${#words[@]} -eq 0 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(multiall help --names | cut -d' ' -f1 | sort -u)" \
			-- "$word")
	elif [ "${words[0]}" = help ] && [ ${#words[@]} -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(multiall help --names | cut -d' ' -f1 | sort -u)" \
			-- "$word")
	elif [ "${words[0]}" = pool ] && [ ${#words[@]} -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(multiall help --names | sed -n 's/^pool //p')" \
			-- "$word")
	elif [ "$verb" = health ] && [ ${#words[@]} -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(multiall help --names | sed -n 's/^health //p')
			$(_multiall_names members node)" -- "$word")
	elif [ "$verb" = "health check" ] || [ "$verb" = "health explain" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(multiall "${root[@]}" health --json 2>/dev/null |
			grep -o '"rule":"[^"]*"' | cut -d'"' -f4 | sort -u)" -- "$word")
	elif [ "$verb" = "health lint" ] || { [ "$verb" = "health set" ] && [ ${#words[@]} -eq 3 ]; }; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	elif [ "$verb" = "health set" ] || [ "$verb" = "health rules" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_multiall_names pools name)" -- "$word")
	elif [ "$verb" = "pool leave" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_multiall_names pools name)" -- "$word")
	elif [ "$verb" = "pool join" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(multiall "${root[@]}" pool list 2>/dev/null |
			sed -n 's/^\([^ ]*\) .*on other nodes.*/\1/p')" -- "$word")
	elif [[ $verb =~ ^(remove|why|cordon|drain|maintenance|resume)$ ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_multiall_names members node)" -- "$word")
	fi
}

# The members of one list of the status, by one of their texts.
_multiall_names()
{
	multiall "${root[@]}" status --json 2>/dev/null |
		sed -n "s/.*\"$1\":\[\(.*\)/\1/p" | grep -o "{\"$2\":\"[^\"]*\"" | cut -d'"' -f4
}

complete -F _multiall multiall
