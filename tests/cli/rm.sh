#!/bin/sh
# rm: what has keys or users goes by --force only.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

force="to remove it all the same: workq rm --force '$queue'"

# In each state that a key can be in.
workq create "$queue" --max-retries 1 --limiter none
workq add "$queue" ready another
expect_error 1 "^workq: queue '$queue' has keys: 2 ready, 0 in flight, 0 delayed, 0 buried; $force" workq rm "$queue"
workq remove "$queue" ready another
workq add "$queue" --after 1h later
expect_error 1 "has keys: 0 ready, 0 in flight, 1 delayed, 0 buried; " workq rm "$queue"
workq remove "$queue" later
workq add "$queue" bad
workq run "$queue" -q --until-empty -- sh -c 'exit 100'
expect_error 1 "has keys: 0 ready, 0 in flight, 0 delayed, 1 buried; " workq rm "$queue"
[ -e "$SHM$queue" ] || fail "a queue with keys was removed"
expect_figure keys 1
expect_output '' workq rm --force "$queue"
[ ! -e "$SHM$queue" ] || fail "rm --force has left the segment"
ok "a queue with keys"

# What is known of a key that has failed is no work.
workq create "$queue" --limiter none
workq add "$queue" key
workq add "$queue" --rate-limited key
workq run "$queue" -q --until-empty -- true
expect_output '' workq rm "$queue"
workq create "$queue"
workq pause "$queue"
workq shutdown "$queue"
expect_output '' workq rm "$queue"
ok "an empty queue"

# Who uses it.
workq create "$queue"
workq run "$queue" -j 2 -- sh -c 'echo $$ >"$1"; exec sleep 1000' sh "$scratch/held" &
runner=$!
later $runner
eventually figure_is waiting 2
run_it workq rm "$queue"
[ "$status" = 1 ] && grep -Eq "queue '$queue' has no keys; 3 handles are attached: (workq \(pid [0-9]+\)(, |; )){3}$force" "$scratch/err" &&
  grep -q "workq (pid $runner)" "$scratch/err" || fail "users are not named"
workq add "$queue" key
eventually test -s "$scratch/held"
expect_error 1 "has keys: 0 ready, 1 in flight, 0 delayed, 0 buried; 3 handles are attached: .*workq \(pid $runner\)" workq rm "$queue"
ok "a queue that is in use"

# The dead use nothing; what they had in flight is ready again.
worker=$(workq dump --json "$queue" | sed -n 's/^{"type":"item".*"pid":\([0-9]*\).*/\1/p')
kill -KILL "$runner" "$worker"
ended $runner
eventually is_gone "$worker"
for pid in $(workq dump --json --raw "$queue" | sed -n 's/^{"type":"worker".*"pid":\([0-9]*\).*/\1/p'); do eventually is_gone "$pid"; done
expect_error 1 "has keys: [01] ready, 0 in flight, [01] delayed, 0 buried; $force" workq rm "$queue"
workq remove "$queue" key
expect_output '' workq rm "$queue"
ok "dead users"

# A queue whose lock is held, or that only --shared opens, is read as it is.
workq create "$queue"
workq add "$queue" a b c
mkfifo "$scratch/hold"
"$WORKQ_BUILDDIR/tests/cli/hold_lock" "$queue" <"$scratch/hold" >"$scratch/holder" &
holder=$!
later $holder
exec 9>"$scratch/hold"
eventually test -s "$scratch/holder"
expect_error 1 "has keys: 3 ready, .* attached: .*hold_lock \(pid $holder\)" workq rm "$queue"
expect_output '' workq rm --force "$queue"
exec 9>&-
ended $holder
workq create "$queue" --mode 0660
workq add --shared "$queue" a
expect_error 1 "has keys: 1 ready, " workq rm "$queue"
workq remove --shared "$queue" a
expect_output '' workq rm "$queue"
ok "queues that are stuck or shared"

# What cannot be read may be removed with --force.
for content in '' nonsense; do
  printf %s "$content" >"$SHM$queue"
  expect_error 1 "'$queue' is damaged, or not a queue .*workq rm --force '$queue'" workq rm "$queue"
  [ -e "$SHM$queue" ] || fail "what is no queue was removed"
  expect_output '' workq rm --force "$queue"
  [ ! -e "$SHM$queue" ] || fail "rm --force has left what is no queue"
done
workq create "$queue"
printf '\377\377\377\177' | dd of="$SHM$queue" bs=1 seek=8 conv=notrunc 2>/dev/null
run_it workq rm "$queue"
[ "$status" = 1 ] && grep -q "workq rm --force '$queue'" "$scratch/err" || fail "a queue of another version"
expect_output '' workq rm --force "$queue"
ln -s nothing "$SHM$queue"
expect 1 workq rm "$queue"
expect_output '' workq rm --force "$queue"
[ ! -L "$SHM$queue" ] || fail "rm --force has left a link"
ok "what is no queue"

# Several: each is tried.
workq create "$queue"
workq create "$queue-b"
workq create "$queue-c"
workq add "$queue-b" key
expect_error 1 "queue '$queue-b' has keys: 1 ready" workq rm "$queue" "$queue-b" "$queue-c"
[ ! -e "$SHM$queue" ] && [ -e "$SHM$queue-b" ] && [ ! -e "$SHM$queue-c" ] || fail "not the queues that could be removed"
expect_error 1 "queue '$queue' does not exist" workq rm -f "$queue" "$queue-b"
[ ! -e "$SHM$queue-b" ] || fail "rm has ended at the first error"
expect_error 1 "invalid queue name ''" workq rm --force ''
ok "several queues"
