# shellcheck shell=bash
# The hook of mima for bash, 3.2 and newer: eval "$(mima hook bash)".
#
# A prompt at which nothing changed starts no process: the functions below walk up
# to the nearest project file and ask the last load whether anything it depends on
# has changed. Aliases and functions of the user must not matter, so that every
# command is written \builtin; keywords do the rest.

# Under allexport all of this would reach every child, and under xtrace be printed.
__mima_flags=$-
__mima_flags=${__mima_flags//[^ETaeuvx]/}
[[ -z ${__mima_flags} ]] || \builtin set "+${__mima_flags}"

__mima_bin=@MIMA@
__mima_user=@USER_FILE@
__mima_coarse=

# Before 4.3, -nt and -ot compare whole seconds.
if ((BASH_VERSINFO[0] < 4 || (BASH_VERSINFO[0] == 4 && BASH_VERSINFO[1] < 3))); then
    __mima_coarse=--coarse
fi

# What follows survives a second reading of this file: it describes this shell.
__mima_have=${__mima_have-}
__mima_off=${__mima_off-}
__mima_pwd=${__mima_pwd-}
if [[ -z ${__mima_at+x} ]]; then
    # An inherited state belongs to another shell: no path equals the question
    # mark, so that the first prompt looks into it.
    __mima_at=${__MIMA_STATE:+?}
    # And only that one knows what was there before.
    __mima_heir=${__MIMA_STATE:+heir}
fi

# Neither a marker that was exported by hand nor one from the environment goes on.
\builtin export -n __mima_flags __mima_bin __mima_user __mima_coarse \
    __mima_have __mima_off __mima_pwd __mima_at __mima_heir

if ! \builtin declare -F __mima_stale >/dev/null; then
    __mima_stale() {
        \builtin return 1
    }

    # Previous values that come from the environment are not this shell's.
    __mima_start() {
        \builtin local IFS=' ' __mima_name
        for __mima_name in ${!__mima_was_@} ${!__mima_var_@}; do
            \builtin unset -v "${__mima_name}"
        done
    }
    __mima_start
    \builtin unset -f __mima_start
fi

# Turns off the options that would abort, print, export or call traps in here.
# An interrupt can skip __mima_leave: then the flags are still remembered, and the
# next prompt puts them back before anything is typed.
__mima_enter() {
    [[ -z ${__mima_flags-} ]] || \builtin set "-${__mima_flags}"
    __mima_flags=$-
    __mima_flags=${__mima_flags//[^ETaeuvx]/}
    [[ -z ${__mima_flags} ]] || \builtin set "+${__mima_flags}"
}

__mima_leave() {
    \builtin set -- "${__mima_flags}"
    __mima_flags=
    \builtin set "-$1"
}

# Sets __mima_found, a local variable of the caller. The loop ends by its condition
# alone, so that no function of the user can keep it going.
__mima_find() {
    \builtin local __mima_dir="${PWD-}"
    __mima_found=
    # No longer path can be opened; this bounds the walk, too.
    if ((${#__mima_dir} > 4096)); then
        __mima_dir=${__mima_dir:0:4096}
        __mima_dir=${__mima_dir%/*}
    fi
    [[ ${__mima_dir} == /* ]] || __mima_dir=
    __mima_dir=${__mima_dir:+${__mima_dir%/}/}
    while [[ -n ${__mima_dir} && -z ${__mima_found} ]]; do
        __mima_dir=${__mima_dir%/*}
        if [[ -f ${__mima_dir}/.mima.yaml &&
            ! ${__mima_dir}/.mima.yaml -ef ${__mima_user} ]]; then
            __mima_found=${__mima_dir}/.mima.yaml
        fi
    done
}

# Exports what only this shell knows, in a subshell: it ends there.
__mima_give() {
    \builtin local IFS=' ' __mima_name
    # shellcheck disable=SC2086 # bash 3.2 may join the names when they are quoted
    for __mima_name in ${!__mima_was_@}; do
        \builtin export "${__mima_name?}"
    done
}

# Runs inside $(…).
__mima_ask() {
    __mima_give
    \builtin exec "${__mima_bin}" export bash --have "${__mima_have}" \
        ${__mima_coarse:+"${__mima_coarse}"} "$@"
}

__mima_load() {
    \builtin test "${__mima_found}" = "${MIMA_DIR-}/.mima.yaml" || __mima_heir=
    __mima_at=${__mima_found}
    # shellcheck disable=SC2317 # the prompt calls it
    __mima_stale() {
        \builtin return 1
    }
    __mima_run "$@"
}

# The output counts only if mima has finished: half a statement is never evaluated.
__mima_run() {
    \builtin local __mima_text
    if [[ ! -x ${__mima_bin} ]]; then
        \builtin printf 'mima: could not run %q: not there (open a new shell once it is)\n' \
            "${__mima_bin}" >&2
        \builtin return 1
    fi
    __mima_text="$(__mima_ask "$@")" || \builtin return 1
    \builtin eval "${__mima_text}"
}

__mima_prompt() {
    \builtin local __mima_status="$?" __mima_found='' __mima_typed=''
    [[ ${__mima_flags-}$- != *[ETaeuvx]* ]] || { __mima_enter; } 2>/dev/null
    if [[ -z ${__mima_off} ]]; then
        __mima_find
        # [[ == ]] would obey nocasematch.
        if ! \builtin test "${__mima_found}" = "${__mima_at}" || __mima_stale; then
            if [[ -n ${__mima_pwd} ]] && ! \builtin test "${__mima_pwd}" = "${PWD-}"; then
                __mima_typed=--typed
            fi
            __mima_pwd=${PWD-}
            __mima_load ${__mima_typed:+"${__mima_typed}"} || :
        fi
        __mima_pwd=${PWD-}
    fi
    # bash 5 itself puts $? back after each entry. Who shares the entry with us needs
    # it from here; else it would call an ERR trap a second time, or, under errexit,
    # end the shell.
    if [[ ${__mima_flags} == *e* ||
        (${PROMPT_COMMAND-} == __mima_prompt && ${BASH_VERSINFO[0]} -ge 5) ]]; then
        __mima_status=0
    fi
    [[ -z ${__mima_flags} ]] || {
        __mima_leave
        \builtin return "${__mima_status}"
    } 2>/dev/null
    \builtin return "${__mima_status}"
}

# mima itself says nothing if there was nothing to do; who typed it wants to know.
__mima_say() {
    [[ -n ${MIMA_QUIET-} || ! -t 2 ]] || \builtin printf 'mima: %s\n' "$1" >&2
}

__mima_switch() {
    \builtin local __mima_found='' __mima_before="${MIMA_DIR-}"
    __mima_pwd=${PWD-}
    case $1 in
    off)
        __mima_run --off || \builtin return 1
        __mima_off=1
        [[ -n ${__mima_before} ]] ||
            __mima_say 'off in this shell; to load again: mima on'
        ;;
    on)
        __mima_before=${__mima_off}
        __mima_off=
        __mima_find
        __mima_load --typed || \builtin return 1
        [[ -n ${__mima_before} && -n ${MIMA_DIR-} ]] || __mima_say on
        ;;
    *)
        __mima_off=
        __mima_find
        __mima_load --reload --typed
        ;;
    esac
}

# Runs in a subshell: what else is started must not inherit what only this shell knows.
__mima_tell() {
    __mima_give
    \builtin export __MIMA_HOOK="bash;${__mima_off:+off} ${__mima_pwd:+ran} ${__mima_heir:+heir};${PROMPT_COMMAND[*]-}"
    \builtin exec "${__mima_bin}" "$@"
}

function mima {
    case $#${1-} in
    1off | 1on | 1reload)
        \builtin local __mima_result=0
        { __mima_enter; } 2>/dev/null
        __mima_switch "$1" || __mima_result=$?
        [[ -z ${__mima_flags} ]] || { __mima_leave; } 2>/dev/null
        \builtin return "${__mima_result}"
        ;;
    *)
        case ${1-} in
        doctor | explain) (__mima_tell "$@") ;;
        *) "${__mima_bin}" "$@" ;;
        esac
        ;;
    esac
}

# Last, since it may fail: some machines make PROMPT_COMMAND read-only, and a plain
# assignment would then end the reading of the user's startup file.
__mima_install() {
    if ! \builtin printf -v PROMPT_COMMAND %s "${PROMPT_COMMAND-}" 2>/dev/null; then
        \builtin printf 'mima: no hook: PROMPT_COMMAND is read-only\n' >&2
        \builtin return 0
    fi
    [[ ${PROMPT_COMMAND[*]} != *__mima_prompt* ]] || \builtin return 0
    if ((BASH_VERSINFO[0] > 5 || (BASH_VERSINFO[0] == 5 && BASH_VERSINFO[1] >= 1))); then
        # As an entry of its own, it leaves the others $? and PIPESTATUS.
        if [[ -n ${PROMPT_COMMAND[*]} ]]; then
            PROMPT_COMMAND=(__mima_prompt "${PROMPT_COMMAND[@]}")
        else
            PROMPT_COMMAND=(__mima_prompt)
        fi
    else
        # shellcheck disable=SC2178,SC2128 # older ones run the first entry only
        PROMPT_COMMAND=__mima_prompt${PROMPT_COMMAND:+$'\n'${PROMPT_COMMAND}}
    fi
}
__mima_install
\builtin unset -f __mima_install
[[ -z ${__mima_flags} ]] || { __mima_leave; } 2>/dev/null
