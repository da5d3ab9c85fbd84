# SPDX-License-Identifier: MIT
# bash completion of letterwing(1): commands, and the options that --help of a command shows
_letterwing() {
    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]-}
    local commands='send bulk probe talk sink lint bounce dkim sendmail help version'
    if [ "$COMP_CWORD" -eq 1 ] || [ "$command" = help ]; then
        COMPREPLY=($(compgen -W "$commands" -- "$cur"))
    elif [ "${cur:0:1}" = - ]; then
        COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "$command" --help 2>/dev/null |
            grep -oE -- '--[a-z][a-z-]*' | sort -u)" -- "$cur"))
    else
        COMPREPLY=($(compgen -f -- "$cur"))
    fi
}
complete -F _letterwing letterwing
