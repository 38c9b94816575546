
# What only mima knows: the names of groups, variables and secrets, and where the command of
# `mima run` begins. Fails where it knows nothing: verbs and flags are completed above.
_mima_live() {
    local -a said
    local what
    said=("${(@f)$(\mima complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    what=$said[1]
    shift said
    case $what in
        (names)
            said=("${(@)said//:/\\:}")
            said=("${(@)said/$'\t'/:}")
            _describe name said
            ;;
        # With the dot, which hides them otherwise.
        (files) _files -g '.mima*.yaml' ;;
        (directories) _files -/ ;;
        (command\ *)
            shift ${what#* } words
            (( CURRENT -= ${what#* } ))
            _normal
            ;;
        (*) return 1 ;;
    esac
    return 0
}
