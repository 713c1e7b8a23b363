# Completion of workq for bash.  What there is to complete is asked of the command itself: subcommands and options of its
# help, queues of `workq ls`.
# SPDX-License-Identifier: Apache-2.0

# Queues whose names begin with the word.  Not by compgen -W, which would expand what stands in a name: anybody can give one.
_workq_queues() {
  local name
  while read -r name; do
    [[ $name != "$1"* ]] || COMPREPLY+=("$(printf %q "$name")")
  done < <(workq ls 2>/dev/null | cut -f 1)
}

# The values that an option takes, or nothing if it takes any.
_workq_values() {
  case $1 in
    --limiter) echo default controller none exp: fastslow: bucket: ;;
    --give-up) echo bury drop ;;
    --group) compgen -g ;;
    --mode) echo 0600 0660 0606 0666 ;;
    --wait) echo forever ;;
  esac
}

# Before the "--" of `workq run` the words are ours, behind it they are a command and its files.
_workq_is_behind() {
  local i
  for ((i = 2; i < COMP_CWORD; i++)); do [[ ${COMP_WORDS[i]} == -- ]] && return 0; done
  return 1
}

_workq() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} values
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$(workq help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p') help --help --version" -- "$word")
  elif [[ $command == help ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(workq help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')" -- "$word")
  elif [[ $command == run ]] && _workq_is_behind; then
    if [[ $before == -- ]]; then mapfile -t COMPREPLY < <(compgen -c -- "$word"); else compopt -o default; fi
  elif values=$(_workq_values "$before") && [[ -n $values ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(workq help "$command" 2>/dev/null | grep -oE '^  (-., )?(-. N, )?--[a-z-]+' | grep -oE -e '--[a-z-]+')" -- "$word")
  elif ((COMP_CWORD == 2)); then
    _workq_queues "$word"
  elif [[ $command == watch ]]; then
    mapfile -t COMPREPLY < <(compgen -d -- "$word")
    compopt -o filenames
  elif [[ $command == save || $command == load || $command == add ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    compopt -o filenames
  fi
} 2>/dev/null

complete -F _workq workq
