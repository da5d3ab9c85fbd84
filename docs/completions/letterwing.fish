# SPDX-License-Identifier: MIT
# fish completion of letterwing(1)
complete -c letterwing -n __fish_use_subcommand -f -a 'send bulk probe talk sink lint bounce dkim sendmail help version'
complete -c letterwing -n 'not __fish_use_subcommand' -a '(
    letterwing (commandline -opc)[2] --help 2>/dev/null | grep -oE -- "--[a-z][a-z-]*" | sort -u)'
