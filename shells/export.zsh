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

# Four words for each variable: what is to be done, NAME, VALUE, and `was` or `var` if
# the previous value is to be saved as that.
#
# All of it is one function, for calls are what takes long. A failing assignment would
# end everything that is being evaluated, but for the second block.
function __mima_change {
    \builtin \emulate -L zsh +o xtrace +o all_export +o err_exit +o err_return +o no_unset
    \builtin \local __mima_do __mima_name __mima_value __mima_save
    \builtin \local __mima_was __mima_var __mima_export __mima_is_plain
    for __mima_do __mima_name __mima_value __mima_save in "$@"; do
        __mima_was=__mima_was_$__mima_name
        __mima_var=__mima_var_$__mima_name
        __mima_export=-x
        # Whether NAME can hold any text: not a number, which would evaluate what it is
        # given, not an array, not read-only, and nothing that pads or folds its value.
        __mima_is_plain=
        case -${(Pt)__mima_name}- in
            (*-(readonly|left|right_blanks|right_zeros|lower|upper)-*) ;;
            (--|-scalar-*) __mima_is_plain=1 ;;
        esac
        if [[ $__mima_is_plain$__mima_do == 1back &&
            -z ${(Pt)__mima_was}${(Pt)__mima_var} ]]; then
            # Nothing was there before: this is what happens most, and cannot fail.
            \builtin \unset -v -- "$__mima_name"
            \builtin \continue
        fi
        if [[ -n $__mima_save && -n $__mima_is_plain && -n ${(Pt)__mima_name} &&
            -z ${(Pt)__mima_was}${(Pt)__mima_var} ]]; then
            \builtin \typeset -g +x -- "__mima_${__mima_save}_$__mima_name=${(P)__mima_name}"
        fi
        case $__mima_do in
            (back | uncut)
                # One that had been unset and is there is the user's.
                if [[ $__mima_do == uncut && -n ${(Pt)__mima_name} ]]; then
                    __mima_do=forget
                elif [[ -n ${(Pt)__mima_was} ]]; then
                    __mima_do=back
                    __mima_value=${(P)__mima_was}
                elif [[ -n ${(Pt)__mima_var} ]]; then
                    __mima_do=back
                    __mima_value=${(P)__mima_var}
                    __mima_export=+x
                else
                    __mima_do=drop
                fi
                ;;
        esac
        {
            case $__mima_is_plain$__mima_do in
                (1put | 1back)
                    \builtin \typeset -g $__mima_export -- "$__mima_name=$__mima_value"
                    [[ ${(P)__mima_name} == "$__mima_value" ]] || __mima_is_plain=
                    ;;
                (1cut | 1drop)
                    \builtin \unset -v -- "$__mima_name"
                    [[ -z ${(Pt)__mima_name} ]] || __mima_is_plain=
                    ;;
            esac
        } always {
            if (( TRY_BLOCK_ERROR )); then
                TRY_BLOCK_ERROR=0
                __mima_is_plain=
            fi
        }
        case $__mima_is_plain$__mima_do in
            (put | cut)
                __mima_kept+=("$__mima_name")
                \builtin \unset -v -- "$__mima_was" "$__mima_var"
                ;;
            (*back | *forget) \builtin \unset -v -- "$__mima_was" "$__mima_var" ;;
        esac
    done 2>/dev/null
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
