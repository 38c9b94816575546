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

# What follows runs without standard error. Previous values are saved as what the third
# word says, `was` or `var`.
function __mima_save
    if test -z "$argv[3]"; or set -qg __mima_was_$argv[1]; or set -qg __mima_var_$argv[1]
        return 0
    end
    if set -qg $argv[1]
        set -gu (__mima_kind $argv[1]) __mima_$argv[3]_$argv[1] $$argv[1]
    else if set -qU $argv[1]; and test $argv[3] = was
        # mima itself reads the previous value; it is never put back.
        set -gu (__mima_kind $argv[1]) __mima_was_$argv[1] $$argv[1]
        set -ga __mima_shadows $argv[1]
    end
    return 0
end

# `set` leaves the status of what was before it, unless it fails.
function __mima_put
    if set -q $argv[1]
        __mima_save $argv
    end
    set -gx $argv[1] $argv[2]
    or __mima_keep $argv[1]
end

# An exported universal variable cannot be hidden: fish hands it to programs even when
# an unexported global one stands before it.
function __mima_cut
    if set -q $argv[1]
        __mima_save $argv
    end
    if set -qUx $argv[1]
        __mima_keep $argv[1]
    else if set -qg $argv[1]
        set -eg $argv[1]
        or __mima_keep $argv[1]
    end
end

function __mima_drop
    set -eg $argv[1]
end

# Makes variables again what they were.
function __mima_back
    for __mima_name in $argv
        if builtin contains -- $__mima_name $__mima_shadows
            set -eg $__mima_name
            __mima_forget $__mima_name
        else if set -qg __mima_was_$__mima_name
            set -l __mima_was __mima_was_$__mima_name
            set -gx (__mima_kind $__mima_was) $__mima_name $$__mima_was
            __mima_forget $__mima_name
        else if set -qg __mima_var_$__mima_name
            set -l __mima_var __mima_var_$__mima_name
            set -gu (__mima_kind $__mima_var) $__mima_name $$__mima_var
            __mima_forget $__mima_name
        else
            set -eg $__mima_name
        end
    end
end

# The same of one that had been unset: if it is there, it is the user's.
function __mima_uncut
    if set -qg $argv[1]
        __mima_forget $argv[1]
    else
        __mima_back $argv[1]
    end
end

function __mima_forget
    set -eg __mima_was_$argv[1]
    set -eg __mima_var_$argv[1]
    if builtin contains -- $argv[1] $__mima_shadows
        set -eg __mima_shadows[(builtin contains -i -- $argv[1] $__mima_shadows)]
    end
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
