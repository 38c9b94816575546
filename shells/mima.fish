# The hook of mima for fish, 3.6 and newer: mima hook fish | source
#
# A prompt at which nothing changed starts no process: the functions below walk up
# to the nearest project file and ask the last load whether anything it depends on
# has changed.

set -g __mima_bin @MIMA@
set -g __mima_user @USER_FILE@

# What follows survives a second reading of this file: it describes this shell.
set -gu __mima_have "$__mima_have"
set -gu __mima_off "$__mima_off"
set -gu __mima_pwd "$__mima_pwd"
set -gu __mima_seen ''
if not set -qg __mima_at
    set -g __mima_at ''
    set -gu __mima_heir ''
    # An inherited state belongs to another shell: no path equals the question mark,
    # so that the first prompt looks into it.
    if test -n "$__MIMA_STATE"
        set -g __mima_at '?'
        # And only that one knows what was there before.
        set -g __mima_heir heir
    end
end
set -gu __mima_at "$__mima_at"
set -gu __mima_heir "$__mima_heir"

if not builtin functions -q __mima_stale
    function __mima_stale
        return 1
    end
    # Previous values that come from the environment are not this shell's.
    for __mima_name in (set --names | string match -r '^__mima_(?:was|var)_.*')
        set -eg $__mima_name
    end
end

# Lists where a project file can be, seen from here. The match assigns by itself: a command
# substitution is slower, and would break names at their line breaks.
function __mima_look
    set -gu __mima_seen $PWD
    set -gu __mima_places
    set -l __mima_dir $PWD
    if test "$PWD" = /
        set __mima_dir ''
    else if not string match -q '/*' -- "$PWD"
        return
    end
    while true
        set -a __mima_places "$__mima_dir/.mima.yaml"
        string match -qr '(?s)^(?<__mima_dir>.*)/[^/]*\z' -- "$__mima_dir"
        or return
    end
end

# Sets __mima_found, a local variable of the caller.
function __mima_find --no-scope-shadowing
    set __mima_found ''
    test "$__mima_seen" = "$PWD"
    or __mima_look
    for __mima_place in $__mima_places
        if test -f "$__mima_place"
            if not test "$__mima_place" -ef "$__mima_user"
                set __mima_found "$__mima_place"
                return
            end
        end
    end
end

# What it exports ends with this function.
function __mima_ask
    for __mima_name in (set --names | string match '__mima_was_*')
        set -fx $__mima_name "$$__mima_name"
    end
    $__mima_bin export fish --have "$__mima_have" $argv
end

function __mima_load
    test "$argv[1]" = "$MIMA_DIR/.mima.yaml"
    or set -g __mima_heir ''
    set -g __mima_at $argv[1]
    function __mima_stale
        return 1
    end
    __mima_run $argv[2..]
end

# The output counts only if mima has finished: half a statement is never evaluated.
function __mima_run
    if not test -x "$__mima_bin"
        builtin printf 'mima: could not run %s: not there (open a new shell once it is)\n' \
            (string escape -- $__mima_bin) >&2
        return 1
    end
    set -l __mima_text (__mima_ask $argv | string collect; test $pipestatus[1] -eq 0)
    or return 1
    eval $__mima_text
end

function __mima_check
    set -l __mima_found
    __mima_find
    if test "$__mima_found" != "$__mima_at"
        __mima_load "$__mima_found" $argv
    else if __mima_stale
        __mima_load "$__mima_found" $argv
    end
end

function __mima_prompt --on-event fish_prompt
    if test -n "$__mima_off"; or status is-command-substitution
        return 0
    end
    if test -n "$__mima_pwd" -a "$__mima_pwd" != "$PWD"
        set -g __mima_pwd $PWD
        __mima_check --typed
    else
        set -g __mima_pwd $PWD
        __mima_check
    end
end

# So that `cd DIR; and CMD` sees the environment of the directory.
function __mima_cd --on-variable PWD
    if test -n "$__mima_off"; or status is-command-substitution
        return 0
    end
    # Before the first prompt nobody has typed anything.
    if test -n "$__mima_pwd"
        __mima_check --typed
    else
        __mima_check
    end
end

# mima itself says nothing if there was nothing to do; who typed it wants to know.
function __mima_say
    if test -z "$MIMA_QUIET"; and test -t 2
        builtin printf 'mima: %s\n' $argv[1] >&2
    end
end

function __mima_switch
    set -g __mima_pwd $PWD
    set -l __mima_found
    set -l __mima_before "$MIMA_DIR"
    switch $argv[1]
        case off
            __mima_run --off
            or return 1
            set -g __mima_off 1
            test -n "$__mima_before"
            or __mima_say 'off in this shell; to load again: mima on'
        case on
            set __mima_before "$__mima_off"
            set -g __mima_off ''
            __mima_find
            __mima_load "$__mima_found" --typed
            or return 1
            test -n "$__mima_before"; and test -n "$MIMA_DIR"
            or __mima_say on
        case '*'
            set -g __mima_off ''
            __mima_find
            __mima_load "$__mima_found" --reload --typed
    end
end

# What it exports ends with this function: what else is started must not inherit what
# only this shell knows.
function __mima_tell
    for __mima_name in (set --names | string match '__mima_was_*')
        set -fx $__mima_name "$$__mima_name"
    end
    set -l __mima_told
    test -n "$__mima_off"; and set -a __mima_told off
    test -n "$__mima_pwd"; and set -a __mima_told ran
    test -n "$__mima_heir"; and set -a __mima_told heir
    set -fx __MIMA_HOOK "fish;$__mima_told;"
    $__mima_bin $argv
end

function mima --description 'Load environments and hand out secrets by directory'
    if test (builtin count $argv) -eq 1; and builtin contains -- $argv[1] off on reload
        __mima_switch $argv[1]
    else if builtin contains -- "$argv[1]" doctor explain
        __mima_tell $argv
    else
        $__mima_bin $argv
    end
end
