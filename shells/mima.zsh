# The hook of mima for zsh, 5.3 and newer: eval "$(mima hook zsh)".
#
# A prompt at which nothing changed starts no process: the functions below walk up
# to the nearest project file and ask the last load whether anything it depends on
# has changed. The user's aliases, functions and options must not matter: commands
# are quoted where they are read, and each function sets its own options.

function __mima_setup {
    \builtin \emulate -L zsh +o all_export +o err_exit +o err_return +o no_unset
    \builtin \typeset -g __mima_bin=@MIMA@
    \builtin \typeset -g __mima_user=@USER_FILE@
    # What follows survives a second reading of this file: it describes this shell.
    \builtin \typeset -g +x __mima_have="${__mima_have-}"
    \builtin \typeset -g +x __mima_off="${__mima_off-}"
    \builtin \typeset -g +x __mima_pwd="${__mima_pwd-}"
    # An inherited state belongs to another shell: no path equals the question mark,
    # so that the first prompt looks into it.
    \builtin \typeset -g +x __mima_at="${__mima_at-${__MIMA_STATE:+?}}"
    # And only that one knows what was there before.
    \builtin \typeset -g +x __mima_heir="${__mima_heir-${__MIMA_STATE:+heir}}"
    if (( ! ${+functions[__mima_stale]} )); then
        function __mima_stale {
            \builtin \return 1
        }
        # Previous values that come from the environment are not this shell's.
        \builtin \unset -m '__mima_was_*' '__mima_var_*'
    fi
    # First, so that prompts and other hooks see the environment of the directory.
    \builtin \typeset -ga precmd_functions chpwd_functions
    precmd_functions=(__mima_precmd ${precmd_functions:#__mima_precmd})
    chpwd_functions=(__mima_chpwd ${chpwd_functions:#__mima_chpwd})
}

# Sets __mima_found, a local variable of the caller. The loop ends by its condition
# alone, so that no function of the user can keep it going.
function __mima_find {
    \builtin \local __mima_dir="$PWD"
    __mima_found=
    # No longer path can be opened; this bounds the walk, too.
    if (( $#__mima_dir > 4096 )); then
        __mima_dir=${__mima_dir[1,4096]%/*}
    fi
    [[ $__mima_dir == /* ]] || __mima_dir=
    __mima_dir=${__mima_dir:+${__mima_dir%/}/}
    while [[ -n $__mima_dir && -z $__mima_found ]]; do
        __mima_dir=${__mima_dir%/*}
        if [[ -f $__mima_dir/.mima.yaml && ! $__mima_dir/.mima.yaml -ef $__mima_user ]]; then
            __mima_found=$__mima_dir/.mima.yaml
        fi
    done
}

# Runs inside $(…): what it exports ends there.
function __mima_ask {
    \builtin \typeset -gxm '__mima_was_*'
    \builtin \exec "$__mima_bin" 'export' zsh --have "$__mima_have" "$@"
}

function __mima_load {
    [[ $__mima_found == "$MIMA_DIR/.mima.yaml" ]] || __mima_heir=
    __mima_at=$__mima_found
    function __mima_stale {
        \builtin \return 1
    }
    __mima_run "$@"
}

# The output counts only if mima has finished: half a statement is never evaluated.
function __mima_run {
    \builtin \local __mima_text
    if [[ ! -x $__mima_bin ]]; then
        \builtin \print -ru2 -- \
            "mima: could not run ${(q+)__mima_bin}: not there (open a new shell once it is)"
        \builtin \return 1
    fi
    __mima_text="$(__mima_ask "$@")" || \builtin \return 1
    \builtin \eval "$__mima_text"
}

# The argument says whether a person moved this shell.
function __mima_check {
    \builtin \local __mima_found
    __mima_find
    if [[ $__mima_found != "$__mima_at" ]] || __mima_stale; then
        __mima_load "$@"
    fi
}

# Subshells and completion change directories, too, but nobody sees them do it.
function __mima_precmd {
    \builtin \emulate -L zsh +o xtrace +o aliases +o all_export \
        +o err_exit +o err_return +o no_unset
    # Until the end of this function only: zsh would call it for each command in here.
    \builtin \trap - DEBUG
    if [[ -n $__mima_off || $ZSH_SUBSHELL -gt 0 || -n ${compstate+x} ]]; then
        \builtin \return 0
    fi
    if [[ -n $__mima_pwd && $__mima_pwd != "$PWD" ]]; then
        __mima_pwd=$PWD
        __mima_check --typed
    else
        __mima_pwd=$PWD
        __mima_check
    fi
    \builtin \return 0
}

function __mima_chpwd {
    \builtin \emulate -L zsh +o xtrace +o aliases +o all_export \
        +o err_exit +o err_return +o no_unset
    \builtin \trap - DEBUG
    if [[ -n $__mima_off || $ZSH_SUBSHELL -gt 0 || -n ${compstate+x} ]]; then
        \builtin \return 0
    fi
    # Before the first prompt nobody has typed anything.
    if [[ -n $__mima_pwd ]]; then
        __mima_check --typed
    else
        __mima_check
    fi
    \builtin \return 0
}

# mima itself says nothing if there was nothing to do; who typed it wants to know.
function __mima_say {
    [[ -n $MIMA_QUIET || ! -t 2 ]] || \builtin \print -ru2 -- "mima: $1"
}

function __mima_switch {
    \builtin \emulate -L zsh +o xtrace +o aliases +o all_export \
        +o err_exit +o err_return +o no_unset
    \builtin \trap - DEBUG
    \builtin \local __mima_found __mima_before="$MIMA_DIR"
    __mima_pwd=$PWD
    case $1 in
        (off)
            __mima_run --off || \builtin \return 1
            __mima_off=1
            [[ -n $__mima_before ]] || __mima_say 'off in this shell; to load again: mima on'
            ;;
        (on)
            __mima_before=$__mima_off
            __mima_off=
            __mima_find
            __mima_load --typed || \builtin \return 1
            [[ -n $__mima_before && -n $MIMA_DIR ]] || __mima_say on
            ;;
        (*)
            __mima_off=
            __mima_find
            __mima_load --reload --typed
            ;;
    esac
}

# Runs in a subshell: what else is started must not inherit what only this shell knows.
function __mima_tell {
    \builtin \typeset -gxm '__mima_was_*'
    \builtin \typeset -gx __MIMA_HOOK="zsh;${__mima_off:+off} ${__mima_pwd:+ran} ${__mima_heir:+heir};${precmd_functions[*]-}"
    \builtin \exec "$__mima_bin" "$@"
}

# Its name is quoted since it may be an alias; completion goes by the name.
function 'mima' {
    case $#:${1-} in
        (1:off | 1:on | 1:reload) __mima_switch "$1" ;;
        (*:doctor | *:explain) ( __mima_tell "$@" ) ;;
        (*) "$__mima_bin" "$@" ;;
    esac
}

__mima_setup
\builtin \unfunction __mima_setup
