#!/bin/sh
# The progress lines of run and add: on a terminal only, and gone at the end.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

if ! command -v script >/dev/null; then
  echo "SKIPPED: there is no script(1) to make a terminal"
  exit 77
fi

# on_terminal COLUMNS COMMAND: in a terminal of that width.
on_terminal() { script -qefc "stty cols $1; $2" "$scratch/terminal" </dev/null >"$scratch/null"; }
# What the terminal has shown so far, a line for each drawing.
shown() { tr '\r' '\n' <"$scratch/terminal"; }
has_shown() { shown | grep -q "$1"; }
clear="$(printf '\033')\\[K"
is_cleared() { shown | sed '/^Script/d; /^$/d' | tail -n 1 | grep -q "^$clear\$"; }

workq create "$queue" --limiter none --max-retries 1

# The command waits until the test has seen the line that it wants, so that no time is assumed.
mkfifo "$scratch/go"
seq 1 8 | workq add "$queue"
on_terminal 80 "workq run '$queue' --until-empty -- sh -c 'test \$1 -ne 5 || read -r word <$scratch/go; test \$1 -ne 3' sh" &
terminal=$!
later $terminal
eventually has_shown "^${clear}3 done, .*/s, 1 failed \[#*-*\]  37% [0-9hms]* left"
echo go >"$scratch/go"
ended $terminal
[ "$status" = 0 ] || fail "run on a terminal"
is_cleared || fail "the line is left: $(shown | tail -n 3)"
[ "$(shown | awk '{ gsub(/\033\[K/, ""); if (length($0) > 79 && !/^Script/) print }')" = "" ] || fail "a line is too long"
has_shown "^${clear}workq: key '3': exit status 1, given up after 2 failures" || fail "a message over the line"
ok "run --until-empty"

for how in '--until-empty -q' ''; do
  workq add "$queue" 1
  [ -n "$how" ] || workq shutdown "$queue"
  # shellcheck disable=SC2086
  on_terminal 80 "workq run '$queue' $how -- sleep 0.8"
  ! has_shown '/s' || fail "a progress line with: run $how"
done
workq resume "$queue"
ok "no line where none was asked for"

# The terminal goes: workers, their commands, and the process that draws the line go with it, unless SIGHUP is ignored, which it
# is in tests that are run by nohup.
alive_pipe
workq add "$queue" 1
env --default-signal=HUP script -qefc "stty cols 80; exec 7>'$scratch/alive'; workq run '$queue' --until-empty -- sleep 100000" "$scratch/terminal" \
  </dev/null >"$scratch/null" &
terminal=$!
later $terminal
eventually has_shown '/s'
kill -KILL $terminal
ended $terminal 2>"$scratch/null"
all_gone || fail "something runs on without its terminal"
[ "$(drain)" = 1 ] || fail "the key did not come back"
ok "the terminal goes"

# A pipe has no known total.
workq rm --force "$queue"
workq create "$queue"
on_terminal 30 "{ seq 1 1000; read -r word <$scratch/go; echo 1001; } | workq add '$queue'" &
terminal=$!
later $terminal
eventually figure_is ready 1000
# The line comes with the next keys, once half a second has gone by.
sleep 0.7
echo go >"$scratch/go"
ended $terminal
has_shown "^${clear}1001 added, [0-9.k]*/s\$" || fail "add from a pipe: $(shown)"
has_shown "added 1001, coalesced 0" || fail "the sum at the end"
ok "add"

expect 0 workq add "$queue" --wait 1s more
! grep -q "$clear" "$scratch/err" || fail "a progress line without a terminal"
ok "no line without a terminal"
