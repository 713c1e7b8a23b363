# Completion of workq for fish.  What there is to complete is asked of the command itself: subcommands and options of its
# help, queues of `workq ls`.
# SPDX-License-Identifier: Apache-2.0

function __workq_words
    commandline -opc
end

function __workq_command
    set -l words (__workq_words)
    test (count $words) -ge 2; and echo $words[2]
end

function __workq_at --description 'is the word at this place being completed?'
    test (count (__workq_words)) -eq $argv[1]
end

function __workq_is_behind --description 'behind the "--" of workq run'
    contains -- -- (__workq_words)
end

function __workq_commands
    workq help | sed -n 's/^  \([a-z][a-z]*\)  *\(.*\)/\1\t\2/p'
end

function __workq_options
    workq help (__workq_command) 2>/dev/null | sed -nE 's/^  (-., )?(-. N, )?(--[a-z-]+)( [A-Z]+| \[DUR\])?  +(.*)/\3\t\5/p'
end

function __workq_previous
    set -l words (__workq_words)
    test "$words[-1]" = "$argv[1]"
end

complete -c workq -f
complete -c workq -n '__workq_at 1' -a '(__workq_commands)'
complete -c workq -n '__workq_at 1' -a 'help --help --version'
complete -c workq -n '__workq_at 2; and test (__workq_command) = help' -a '(__workq_commands)'
complete -c workq -n '__workq_at 2; and test (__workq_command) != help' -a '(workq ls 2>/dev/null | cut -f 1)' -d queue
complete -c workq -n 'not __workq_at 1; and not __workq_is_behind; and string match -q -- "-*" (commandline -ct)' -a '(__workq_options)'
complete -c workq -n '__workq_previous --limiter' -a 'default controller none'
complete -c workq -n '__workq_previous --give-up' -a 'bury drop'
complete -c workq -n '__workq_previous --group' -a '(__fish_complete_groups)'
complete -c workq -n '__workq_previous --mode' -a '0600 0660 0606 0666'
complete -c workq -n '__workq_previous --wait' -a forever
complete -c workq -n '__workq_is_behind' -F
complete -c workq -n 'contains (__workq_command) watch save load add; and not __workq_at 2' -F
