
# What only mima knows: the names of groups, variables and secrets, and where the command of
# `mima run` begins. Fails where it knows nothing: verbs and flags are completed above.
function __mima_live
    set -l words (commandline -opc)
    set -l said (mima complete -- $words[2..] "$(commandline -ct)" 2>/dev/null)
    set -l what (string split ' ' -- "$said[1]")
    switch "$what[1]"
        case names
            set -g __mima_said $said[2..]
        case command
            # The last token may be half of one, and stays as it is.
            set -l before (string escape -- $words[(math $what[2] + 1)..])
            set -g __mima_said (complete -C "$(string join ' ' -- $before "$(commandline -ct)")")
        case '*'
            return 1
    end
    return 0
end

complete -c mima -n __mima_live -f -a '(string join -- \n $__mima_said)'

# The same as the value of a flag, which fish puts behind `--flag=` itself.
function __mima_value
    __mima_live
    and string replace --regex -- '^--[a-z-]+=' '' $__mima_said
end

complete -c mima -n '__fish_mima_using_subcommand run' -l keep -x -a '(__mima_value)'
complete -c mima -n '__fish_mima_using_subcommand run' -l grant -x -a '(__mima_value)'
complete -c mima -n '__fish_mima_using_subcommand import' -l group -x -a '(__mima_value)'
complete -c mima -n '__fish_mima_using_subcommand secret; and __fish_seen_subcommand_from move' -l to -x -a '(__mima_value)'
