# shellcheck shell=bash

# What only mima knows: the names of groups, variables and secrets, and where the command of
# `mima run` begins. Flags and verbs are completed by the function above.
_mima_live() {
    local IFS=$'\n' line what=
    COMPREPLY=()
    while read -r line; do
        if [[ -z ${what} ]]; then
            what=${line}
        elif [[ ${line%%$'\t'*} == "$2"* ]]; then
            COMPREPLY+=("${line%%$'\t'*}")
        fi
    done <<<"$(\mima complete -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$2" 2>/dev/null || :)"
    case ${what} in
    # Where there is no such name, a file is none either.
    names) compopt +o default +o bashdefault 2>/dev/null || : ;;
    # bash itself completes these, and quotes what is strange in a name.
    files | paths) ;;
    directories) compopt +o default +o bashdefault -o dirnames 2>/dev/null || : ;;
    'command '*)
        IFS=$' \t\n'
        _mima_command "${what#* }" "$2"
        ;;
    *)
        IFS=$' \t\n'
        _mima "$@"
        ;;
    esac
}

# Completes the command whose name is the given word of the line.
_mima_command() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif [[ ${COMP_CWORD} == "$1" ]]; then
        local IFS=$'\n'
        # shellcheck disable=SC2207 # bash 3.2 has no mapfile
        COMPREPLY=($(compgen -A command -A directory -- "$2"))
    fi
}
