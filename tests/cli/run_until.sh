#!/bin/sh
# run: when it ends, and what it says of keys that do not run.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

workq create "$queue" --limiter none

workq add "$queue" a b
workq pause "$queue"
expect 1 workq run "$queue" --until-empty -- true
[ "$(head -n 1 "$scratch/err")" = "workq: queue '$queue' is paused, with 2 keys in it; let them run: workq unpause '$queue'" ] ||
  fail "a paused queue"
grep -q '^workq: 0 done, 0 given up, 2 left, ' "$scratch/err" || fail "the last line"
workq unpause "$queue"
# One that is empty has nothing to wait for.
expect 0 workq run "$queue" --until-empty -- true
workq pause "$queue"
expect 0 workq run "$queue" --until-empty -- true
workq unpause "$queue"
ok "--until-empty of a paused queue"

workq add "$queue" now
workq add "$queue" --after 100h later
expect_output now workq run "$queue" -q --until-empty --no-wait -- echo
expect_figure delayed 1
workq run "$queue" --until-empty -- echo >"$scratch/out" 2>"$scratch/err" &
runner=$!
later $runner
eventually grep -Eqx "workq: waiting for 1 delayed key, the next is due in (100h|99h59m[0-9]+s) \(--no-wait would end here\)" "$scratch/err"
workq add "$queue" later
ended $runner
[ "$status" = 0 ] || fail "status $status"
[ "$(cat "$scratch/out")" = later ] || fail "the delayed key was not run"
[ "$(grep -c waiting "$scratch/err")" = 1 ] || fail "it is said more than once"
expect_error 2 'which is missing' workq run "$queue" --no-wait -- true
ok "--until-empty with delayed keys, --no-wait"

seq 1 10 | workq add "$queue"
expect_output "$(seq 1 4)" workq run "$queue" -q --max-keys 4 -- echo
expect_figure gets "$((2 + 2 + 4))"
expect 0 workq run "$queue" -j 3 --max-keys 5 -- true
grep -q '^workq: 5 done, 0 given up, 1 left, ' "$scratch/err" || fail "--max-keys with several workers"
expect 0 workq run "$queue" --until-empty --max-keys 5 -- true
grep -q '^workq: 1 done, 0 given up, 0 left, ' "$scratch/err" || fail "--max-keys of more than there are"
for value in 0 -1 x ''; do
  expect_error 2 "--max-keys takes a number of keys" workq run "$queue" --max-keys "$value" -- true
done
ok "--max-keys"

# Fails for ever: said once, of each key; with --quiet, once.
workq add "$queue" a b
expect 0 workq run "$queue" --until-empty -- sh -c 'test $WORKQ_FAILURES -ge 13'
[ "$(grep -c "has failed 10 times, and the queue has no limit on retries" "$scratch/err")" = 2 ] || fail "ten failures"
workq add "$queue" a b
expect 0 workq run "$queue" -q --until-empty -- sh -c 'test $WORKQ_FAILURES -ge 13'
[ "$(wc -l <"$scratch/err")" = 1 ] || fail "ten failures, quietly"
workq create "$queue-limited" --limiter none --max-retries 12
workq add "$queue-limited" a
expect 3 workq run "$queue-limited" --until-empty -- false
! grep -q 'no limit' "$scratch/err" || fail "there is a limit"
ok "a key that fails for ever"

# A key whose workers die is given up, too.
workq create "$queue-poison" --limiter none --max-crashes 1
workq add "$queue-poison" poison
expect 3 workq run "$queue-poison" --until-empty -- sh -c 'kill -KILL $PPID; sleep 1000'
grep -q "^workq: key 'poison': given up after 1 crash of its worker$" "$scratch/err" || fail "what became of the key"
grep -q '^workq: 0 done, 1 given up, 0 left, ' "$scratch/err" || fail "the last line"
ok "a key that kills its workers"
