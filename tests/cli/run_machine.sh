#!/bin/sh
# run: what the machine does is not blamed on a key.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

workq create "$queue" --max-retries 2 --limiter exp:1us:1us

# No key has failed; what the queue has counted of failures.
expect_untried() {
  expect_figure retries 0
  expect_figure buried 0
  expect_figure crashes 0
  expect_figure keys "$1"
}

# The command is open for writing.  (A program and not a script, which may be written while it runs.)
cp /bin/true "$scratch/program"
seq 1 200 | workq add "$queue"
exec 8>>"$scratch/program"
expect 1 workq run "$queue" -j 2 --until-empty --start-timeout 50ms -- "$scratch/program"
[ "$(grep -c "^workq: cannot start '.*/program': Text file busy; " "$scratch/err")" = 1 ] || fail "it is not said once"
[ "$(grep -c "^workq: cannot start '.*/program' (Text file busy), so this run ends; " "$scratch/err")" = 1 ] || fail "why it ends"
grep -q '^workq: 0 done, 0 given up, 200 left, ' "$scratch/err" || fail "the last line"
expect_untried 200
ok "a command that is open for writing ends the run if that lasts"

: >"$scratch/err"
workq run "$queue" -j 2 --until-empty -- "$scratch/program" 2>"$scratch/err" 8>&- &
runner=$!
later $runner
eventually grep -q 'Text file busy' "$scratch/err"
exec 8>&-
ended $runner
[ "$status" = 0 ] || fail "status $status"
grep -q "^workq: '.*/program' can be started again" "$scratch/err" || fail "it is not said that it goes on"
grep -q '^workq: 200 done, 0 given up, 0 left, ' "$scratch/err" || fail "the last line"
expect_untried 0
ok "... and is waited for if not"

# It is away while it is replaced.
workq add "$queue" first
: >"$scratch/err"
workq run "$queue" -- "$scratch/program" 2>"$scratch/err" &
runner=$!
later $runner
eventually figure_is keys 0
mv "$scratch/program" "$scratch/program-away"
workq add "$queue" second
eventually grep -q 'No such file or directory; ' "$scratch/err"
expect_untried 1
mv "$scratch/program-away" "$scratch/program"
eventually figure_is keys 0
expect_untried 0
chmod a-x "$scratch/program"
workq add "$queue" third
eventually grep -q 'Permission denied; ' "$scratch/err"
kill -TERM $runner
ended $runner
[ "$status" = 143 ] || fail "status $status"
expect_untried 1
workq remove "$queue" third
ok "a command that is away, and one that may not be executed"

# What only the key causes is its failure: an argument that is too long, which stays so.
workq create "$queue-long" --key-max 32768 --limiter exp:1us:1us
head -c 32000 /dev/zero | tr '\0' k | workq add "$queue-long"
workq add "$queue-long" short
fill='{}{}{}{}{}'
expect 3 workq run "$queue-long" --until-empty -- sh -c ': "$1"; echo ran' sh "$fill"
grep -q "its command's arguments would be too long, given up" "$scratch/err" || fail "a key that is too long"
[ "$(cat "$scratch/out")" = ran ] || fail "another key was not run"
expect_figure buried 1 "$queue-long"
ok "arguments that are too long"

# No descriptors: whatever is left for the command, and for pipes, no key is blamed.
seq 1 20 | workq add "$queue"
for limit in 5 6 7 8 9 10 11 12 13 14 15 16; do
  run_it sh -c "ulimit -n $limit; exec \"\$@\"" sh workq run "$queue" --start-timeout 20ms --max-keys 1 -- true
  [ "$status" = 0 ] || [ "$status" = 1 ] || fail "status $status with $limit descriptors"
  expect_figure retries 0
  expect_figure buried 0
done
[ "$status" = 0 ] || fail "it does not run with 16 descriptors"
ok "no descriptors"
workq rm --force "$queue" 2>/dev/null || workq rm "$queue"

# No processes: those of root are not limited.
if [ "$(id -u)" != 0 ] || ! command -v setpriv prlimit >/dev/null; then
  ok "SKIPPED: no processes (only for root, with setpriv and prlimit)"
  exit 0
fi
user=61235
as_user() { setpriv --reuid $user --regid $user --clear-groups "$@"; }
cp "$WORKQ" "$scratch/workq-copy"
chmod 755 "$scratch" "$scratch/workq-copy"
as_user "$scratch/workq-copy" create "$queue" --limiter exp:1us:1us
as_user "$scratch/workq-copy" add "$queue" a b c
# The supervisor and its worker, and no command.
expect 1 as_user prlimit --nproc=2 "$scratch/workq-copy" run "$queue" --start-timeout 50ms -- true
[ "$(grep -c "^workq: cannot start 'true': Resource temporarily unavailable; " "$scratch/err")" = 1 ] || fail "it is not said once"
[ "$(as_user "$scratch/workq-copy" stats "$queue" | awk '/^(ready|retries) / { print $2 }' | tr '\n' ' ')" = '3 0 ' ] ||
  fail "the keys are not as before"
expect 0 as_user "$scratch/workq-copy" run -q "$queue" --until-empty -- true
ok "no processes"
