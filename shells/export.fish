# What the statements of `mima export fish` call; fish 3.6 and newer.
#
# No statement may drop the ones after it: what this shell keeps to itself is left
# alone and named at the end. Previous values stay in global variables that are not
# exported: __mima_was_NAME if NAME was exported, __mima_var_NAME if not. A universal
# variable is never touched: ours stands before it, and is taken away again.

function __mima_begin
    set -gu __mima_kept
    set -gu __mima_taken
end

function __mima_done
    if set -q __mima_kept[1]
        builtin printf 'mima: this shell keeps %s to itself: not set here\n' \
            (string join -- ', ' $__mima_kept) >&2
    end
    for __mima_group in $__mima_taken
        builtin printf 'mima: `%s` is yours already: mima run %s -- CMD\n' \
            $__mima_group $__mima_group >&2
    end
    set -eg __mima_kept
    set -eg __mima_taken
end

function __mima_keep
    __mima_forget $argv[1]
    if not builtin contains -- $argv[1] $__mima_kept
        set -ga __mima_kept $argv[1]
    end
end

# --path or --unpath, as NAME is: it decides how a list is joined.
function __mima_kind
    if set --show $argv[1] | string match -q '*a path variable*'
        builtin echo --path
    else
        builtin echo --unpath
    end
end

function __mima_save
    set -l __mima_was __mima_was_$argv[1]
    set -l __mima_var __mima_var_$argv[1]
    if set -qg $__mima_was; or set -qg $__mima_var
        return 0
    end
    if set -qg $argv[1]
        if set -q argv[2]
            set -gu (__mima_kind $argv[1]) $__mima_was $$argv[1]
        else
            set -gu (__mima_kind $argv[1]) $__mima_var $$argv[1]
        end
    else if set -qU $argv[1]; and set -q argv[2]
        # mima itself reads the previous value; it is never put back.
        set -gu (__mima_kind $argv[1]) $__mima_was $$argv[1]
        set -ga __mima_shadows $argv[1]
    end
end

function __mima_put
    set -gx $argv[1] $argv[2] 2>/dev/null
    or __mima_keep $argv[1]
end

# An exported universal variable cannot be hidden: fish hands it to programs even when
# an unexported global one stands before it.
function __mima_cut
    if set -qUx $argv[1]
        __mima_keep $argv[1]
    else if set -qg $argv[1]
        set -eg $argv[1] 2>/dev/null
        or __mima_keep $argv[1]
    end
end

# With a second word the variable had been unset: one that is there is the user's.
function __mima_back
    set -l __mima_was __mima_was_$argv[1]
    set -l __mima_var __mima_var_$argv[1]
    if set -q argv[2]; and set -qg $argv[1]
        __mima_forget $argv[1]
        return 0
    end
    if builtin contains -- $argv[1] $__mima_shadows
        set -eg $argv[1] 2>/dev/null
    else if set -qg $__mima_was
        set -gx (__mima_kind $__mima_was) $argv[1] $$__mima_was 2>/dev/null
    else if set -qg $__mima_var
        set -gu (__mima_kind $__mima_var) $argv[1] $$__mima_var 2>/dev/null
    else if set -qg $argv[1]
        set -eg $argv[1] 2>/dev/null
    end
    __mima_forget $argv[1]
end

function __mima_forget
    set -eg __mima_was_$argv[1]
    set -eg __mima_var_$argv[1]
    if set -l __mima_index (builtin contains -i -- $argv[1] $__mima_shadows)
        set -eg __mima_shadows[$__mima_index]
    end
    return 0
end

function __mima_own
    __mima_put $argv
end

function __mima_disown
    set -eg $argv[1] 2>/dev/null
    return 0
end

# A wrapper is still ours if it prints as it did when it was defined.
function __mima_unwrap
    for __mima_group in $__mima_wrapped
        set -l __mima_body __mima_body_(string escape --style=var -- $__mima_group)
        if test "$(builtin functions -- $__mima_group 2>/dev/null)" = "$$__mima_body"
            builtin functions -e -- $__mima_group
        end
        set -eg $__mima_body
        # Erasing also keeps fish from loading the command's own completions again.
        builtin complete -e -c $__mima_group
        for __mima_dir in $fish_complete_path
            if test -f $__mima_dir/$__mima_group.fish
                builtin source $__mima_dir/$__mima_group.fish
                break
            end
        end
    end
    set -eg __mima_wrapped
end

function __mima_wrap
    if builtin functions -q -- $argv[1]
        set -ga __mima_taken $argv[1]
        return 0
    end
    eval "function $argv[1]
    $(string escape -- $argv[2]) run $argv[1] -- \$argv
end"
    set -ga __mima_wrapped $argv[1]
    set -gu __mima_body_(string escape --style=var -- $argv[1]) "$(builtin functions -- $argv[1])"
    builtin complete -e -c $argv[1]
    builtin complete -c $argv[1] -x -a '(__fish_complete_subcommand)'
end
