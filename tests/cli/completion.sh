#!/bin/sh
# Completion in bash, zsh and fish: each shell is asked what it would offer.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"
one_build_only "the completions are"

files=$WORKQ_SRCDIR/completions
workq create "$queue"
workq create "$queue-two"
# A name is no program, and breaks nothing.
workq create "$queue-\"\$(touch broken)\`touch broken\`"
touch "$scratch/saved-file"
cd "$scratch" || exit 1

cat >ask.bash <<'END'
. "$1"
shift
compopt() { :; } # there is no completion going on that it could change
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_workq
printf '%s\n' "${COMPREPLY[@]}"
END
ask_bash() { bash ask.bash "$files/workq.bash" "$@"; }
ask_fish() {
  fish --no-config -c 'source $argv[1]; complete -C (string join -- " " $argv[2..-1])' "$files/workq.fish" "$@" | cut -f 1
}
# zsh completes nothing outside of its line editor: the functions that it would hand its words to print them here.
cat >ask.zsh <<'END'
_describe() { print -rl -- ${${(P)4}%%:*}; }
compadd() { if [[ $1 == -a ]]; then print -rl -- ${(P)2}; else print -rl -- "$@"; fi; }
_files() { ls; }
_command_names() { print -rl -- ${(k)commands}; }
words=("${(@)argv[2,-1]}")
CURRENT=$#words
source $argv[1]/_workq
END
ask_zsh() { zsh -f ask.zsh "$files" "$@"; }

# offers SHELL WORD-OFFERED LINE...: the shell offers that word.
offers() {
  shell=$1 wanted=$2
  shift 2
  "ask_$shell" "$@" >out || :
  grep -Fxq -e "$wanted" out || fail "$shell does not offer $wanted for: $* (it offers: $(tr '\n' ' ' <out | cut -c1-300))"
}

for shell in bash fish zsh; do
  if ! command -v $shell >/dev/null; then
    echo "not tried: there is no $shell here"
    continue
  fi
  for command in $(workq help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'); do
    offers $shell "$command" workq ''
  done
  offers $shell create workq cr
  offers $shell "$queue-two" workq stats "$queue-"
  offers $shell --until-empty workq run "$queue" --u
  offers $shell --priority workq add "$queue" --p
  offers $shell --jobs workq run "$queue" --j
  offers $shell bury workq create x --give-up b
  offers $shell saved-file workq load "$queue" sav
  [ ! -e broken ] || fail "$shell has run what stands in a name"
  ok "$shell"
done
