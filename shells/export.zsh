# What the statements of `mima export zsh` call; zsh 5.3 and newer.
#
# No statement may drop the ones after it: what this shell keeps to itself is left
# alone and named at the end. Previous values stay in variables that are not
# exported: __mima_was_NAME if NAME was exported, __mima_var_NAME if not.

function __mima_begin {
    \builtin \emulate -L zsh +o xtrace
    \builtin \typeset -ga __mima_kept __mima_taken
    \builtin \set -A __mima_kept
    \builtin \set -A __mima_taken
}

function __mima_done {
    \builtin \emulate -L zsh +o xtrace +o err_exit +o err_return +o no_unset
    if (( $#__mima_kept )); then
        \builtin \print -ru2 -- \
            "mima: this shell keeps ${(j:, :)${(@u)__mima_kept}} to itself: not set here"
    fi
    \builtin \local __mima_group
    for __mima_group in "${__mima_taken[@]}"; do
        \builtin \print -ru2 -- \
            "mima: \`$__mima_group\` is yours already: mima run $__mima_group -- CMD"
    done
    \builtin \unset __mima_kept __mima_taken
}

# Whether NAME can hold any text: not a number, which would evaluate what it is
# given, not an array, not read-only, and nothing that pads or folds its value.
function __mima_is_plain {
    \builtin \emulate -L zsh +o xtrace +o err_exit +o err_return +o no_unset
    case -${(Pt)1}- in
        (*-(readonly|left|right_blanks|right_zeros|lower|upper)-*) \builtin \return 1 ;;
        (--|-scalar-*) \builtin \return 0 ;;
    esac
    \builtin \return 1
}

function __mima_keep {
    \builtin \emulate -L zsh +o xtrace +o err_exit +o err_return
    __mima_forget "$1"
    \builtin \typeset -ga __mima_kept
    __mima_kept+=("$1")
}

# Succeeds only if the shell holds exactly VALUE afterwards. A failing assignment
# would end everything that is being evaluated, but for the second block.
function __mima_assign {
    \builtin \emulate -L zsh +o xtrace +o all_export +o err_exit +o err_return +o no_unset
    __mima_is_plain "$2" || \builtin \return 1
    {
        \builtin \typeset -g "$1" -- "$2=$3" 2>/dev/null
    } always {
        TRY_BLOCK_ERROR=0
    }
    [[ ${(P)2} == "$3" ]]
}

function __mima_clear {
    \builtin \emulate -L zsh +o xtrace +o err_exit +o err_return +o no_unset
    __mima_is_plain "$1" || \builtin \return 1
    {
        \builtin \unset -v -- "$1" 2>/dev/null
    } always {
        TRY_BLOCK_ERROR=0
    }
    [[ -z ${(Pt)1} ]]
}

function __mima_save {
    \builtin \emulate -L zsh +o xtrace +o all_export +o err_exit +o err_return +o no_unset
    \builtin \local __mima_was="__mima_was_$1" __mima_var="__mima_var_$1"
    if [[ -n ${(Pt)__mima_was}${(Pt)__mima_var} || -z ${(Pt)1} ]]; then
        \builtin \return 0
    fi
    __mima_is_plain "$1" || \builtin \return 0
    if [[ -n ${2-} ]]; then
        \builtin \typeset -g +x -- "$__mima_was=${(P)1}"
    else
        \builtin \typeset -g +x -- "$__mima_var=${(P)1}"
    fi
}

function __mima_put {
    __mima_assign -x "$1" "$2" || __mima_keep "$1"
}

function __mima_cut {
    __mima_clear "$1" || __mima_keep "$1"
}

# With a second word the variable had been unset: one that is there is the user's.
function __mima_back {
    \builtin \emulate -L zsh +o xtrace +o err_exit +o err_return +o no_unset
    \builtin \local __mima_was="__mima_was_$1" __mima_var="__mima_var_$1"
    if [[ -n ${2-} && -n ${(Pt)1} ]]; then
        __mima_forget "$1"
        \return 0
    fi
    if [[ -n ${(Pt)__mima_was} ]]; then
        __mima_assign -x "$1" "${(P)__mima_was}"
    elif [[ -n ${(Pt)__mima_var} ]]; then
        __mima_assign +x "$1" "${(P)__mima_var}"
    else
        __mima_clear "$1"
    fi
    __mima_forget "$1"
}

function __mima_forget {
    \builtin \unset -v -- "__mima_was_$1" "__mima_var_$1"
}

function __mima_own {
    __mima_put "$1" "$2"
}

function __mima_disown {
    __mima_clear "$1" || \builtin \return 0
}

# A wrapper is still ours if its body is the one that was written for it.
function __mima_unwrap {
    \builtin \emulate -L zsh +o xtrace +o err_exit +o err_return +o no_unset
    \builtin \local __mima_group
    \builtin \typeset -gA __mima_bodies __mima_completed
    for __mima_group in "${(@k)__mima_bodies}"; do
        if [[ ${functions[$__mima_group]-} == "$__mima_bodies[$__mima_group]" ]]; then
            \builtin \unfunction -- "$__mima_group"
        fi
    done
    for __mima_group in "${(@k)__mima_completed}"; do
        [[ ${_comps[$__mima_group]-} == _precommand ]] || \builtin \continue
        if [[ -n $__mima_completed[$__mima_group] ]]; then
            _comps[$__mima_group]=$__mima_completed[$__mima_group]
        else
            \builtin \unset "_comps[$__mima_group]"
        fi
    done
    __mima_bodies=()
    __mima_completed=()
}

function __mima_wrap {
    \builtin \emulate -L zsh +o xtrace +o aliases +o err_exit +o err_return +o no_unset
    if (( ${+functions[$1]} || ${+aliases[$1]} || ${+galiases[$1]} )); then
        __mima_taken+=("$1")
        \builtin \return 0
    fi
    \builtin \typeset -gA __mima_bodies __mima_completed
    functions[$1]="${(qq)2} 'run' ${(qq)1} '--' \"\$@\""
    __mima_bodies[$1]=${functions[$1]}
    if (( ${+functions[compdef]} && ${+functions[_precommand]} )); then
        __mima_completed[$1]=${_comps[$1]-}
        _comps[$1]=_precommand
    fi
}
