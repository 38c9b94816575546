# shellcheck shell=bash
# What the statements of `mima export bash` call; bash 3.2 and newer.
#
# No statement may drop the ones after it: what this shell keeps to itself is left
# alone and named at the end. Previous values stay in variables that are not
# exported: __mima_was_NAME if NAME was exported, __mima_var_NAME if not.

# Until __mima_done, values are not traced, allexport exports nothing of this, and a
# read-only name does not end the shell.
__mima_eval_flags=$-
__mima_eval_flags=${__mima_eval_flags//[^ETaeux]/}
[[ -z ${__mima_eval_flags} ]] || \builtin set "+${__mima_eval_flags}"
\builtin export -n __mima_eval_flags

__mima_begin() {
    __mima_kept=
    __mima_taken=
}

__mima_done() {
    \builtin local IFS=' ' __mima_group
    if [[ -n ${__mima_kept} ]]; then
        \builtin printf 'mima: this shell keeps %s to itself: not set here\n' \
            "${__mima_kept}" >&2
    fi
    for __mima_group in ${__mima_taken}; do
        # shellcheck disable=SC2016 # the message shows a command as it is typed
        \builtin printf 'mima: `%s` is yours already: mima run %s -- CMD\n' \
            "${__mima_group}" "${__mima_group}" >&2
    done
    \builtin set -- "${__mima_eval_flags}"
    \builtin unset -v __mima_kept __mima_taken __mima_all __mima_eval_flags
    [[ -z $1 ]] || \builtin set "-$1"
}

# Unsets NAME, attributes and all: an integer would evaluate the value it is given,
# and so run what stands in it. Fails if the shell does not let go of it, or if NAME is
# more than one plain value: a reference to another variable, or an array that one value
# cannot stand for.
__mima_clear() {
    ! __mima_is_odd "$1" && \builtin unset -v "$1"
}

__mima_is_odd() {
    __mima_all="$1[@]"
    if [[ -n ${!__mima_all+x} ]]; then
        \builtin set -- "$1" "${!__mima_all}"
        [[ $# == 2 && -n ${!1+x} ]] || \builtin return 0
    fi
    \builtin test -R "$1"
}

__mima_keep() {
    __mima_forget "$1"
    case ", ${__mima_kept}, " in
    *", $1, "*) ;;
    *) __mima_kept=${__mima_kept:+${__mima_kept}, }$1 ;;
    esac
}

# What follows runs without standard error. Previous values are saved as what the last
# word says, `was` or `var`.
__mima_save() {
    \builtin local __mima_was="__mima_was_$1" __mima_var="__mima_var_$1"
    if [[ -n $2 && -z ${!__mima_was+x}${!__mima_var+x} ]] && ! __mima_is_odd "$1"; then
        \builtin eval "__mima_$2_$1=\${$1}"
    fi
}

__mima_put() {
    [[ -z ${!1+x} ]] || __mima_save "$1" "$3"
    if ! __mima_is_odd "$1" && \builtin unset -v "$1"; then
        \builtin export "$1=$2"
    else
        __mima_keep "$1"
    fi
}

__mima_cut() {
    [[ -z ${!1+x} ]] || __mima_save "$1" "$3"
    __mima_clear "$1" || __mima_keep "$1"
}

__mima_drop() {
    __mima_clear "$1" || :
}

# Makes variables again what they were. Since they are in the environment, no array is
# among them.
__mima_back() {
    \builtin local __mima_name __mima_was __mima_var
    if [[ -z ${!__mima_was_@}${!__mima_var_@} ]]; then
        # Nothing was there before: this is what happens most, and is quick.
        for __mima_name in "$@"; do
            \builtin test -R "${__mima_name}" || \builtin unset -v "${__mima_name}"
        done
        \builtin return 0
    fi
    for __mima_name in "$@"; do
        __mima_was=__mima_was_${__mima_name}
        __mima_var=__mima_var_${__mima_name}
        if \builtin test -R "${__mima_name}" || ! \builtin unset -v "${__mima_name}"; then
            __mima_forget "${__mima_name}"
        elif [[ -n ${!__mima_was+x} ]]; then
            \builtin export "${__mima_name}=${!__mima_was}"
            __mima_forget "${__mima_name}"
        elif [[ -n ${!__mima_var+x} ]]; then
            \builtin eval "${__mima_name}=\${!__mima_var}"
            __mima_forget "${__mima_name}"
        fi
    done
}

# The same of one that had been unset: if it is there, it is the user's.
__mima_uncut() {
    if [[ -z ${!1+x} ]] && __mima_clear "$1"; then
        __mima_back "$1"
    else
        __mima_forget "$1"
    fi
}

__mima_forget() {
    \builtin unset -v "__mima_was_$1" "__mima_var_$1"
}

# A wrapper is still ours if its body is the one that was written for it. One
# subshell prints them all; the control character cannot stand in a body of ours.
__mima_unwrap() {
    [[ -n ${__mima_wrapped-} ]] || \builtin return 0
    \builtin local IFS=' ' __mima_group __mima_bodies __mima_body
    __mima_bodies="$(
        for __mima_group in ${__mima_wrapped}; do
            \builtin printf '\036%s\036' "${__mima_group}"
            \builtin declare -f "${__mima_group}" || :
        done
    )"
    for __mima_group in ${__mima_wrapped}; do
        __mima_body=${__mima_bodies#*$'\036'"${__mima_group}"$'\036'}
        __mima_body=${__mima_body%%$'\036'*}
        case ${__mima_body} in
        *"{ "$'\n    '"${__mima_wrapper} run ${__mima_group} -- \"\$@\""$'\n}'*)
            \builtin unset -f "${__mima_group}"
            ;;
        *) ;;
        esac
    done
    for __mima_group in ${__mima_completed-}; do
        \builtin complete -r "${__mima_group}" 2>/dev/null || :
    done
    \builtin unset -v __mima_wrapped __mima_wrapper __mima_completed
}

__mima_wrap() {
    if \builtin alias "$1" >/dev/null 2>&1 ||
        \builtin declare -F "$1" >/dev/null 2>&1; then
        __mima_taken="${__mima_taken} $1"
        \builtin return 0
    fi
    # In posix mode such a function name would end the shell.
    if [[ :${SHELLOPTS}: == *:posix:* && (${1} == *[.-]* || ${1} == [0-9]*) ]]; then
        \builtin return 0
    fi
    \builtin printf -v __mima_wrapper %q "$2"
    \builtin eval "function $1 { ${__mima_wrapper} run $1 -- \"\$@\"; }"
    __mima_wrapped="${__mima_wrapped-} $1"

    # The user's own completion of that name stays.
    if \builtin complete -p "$1" >/dev/null 2>&1; then
        \builtin return 0
    fi
    if \builtin declare -F _comp_command >/dev/null; then
        \builtin complete -F _comp_command "$1"
    elif \builtin declare -F _command >/dev/null; then
        \builtin complete -F _command "$1"
    else
        \builtin complete -A command -A file "$1" 2>/dev/null || \builtin return 0
    fi
    __mima_completed="${__mima_completed-} $1"
}
