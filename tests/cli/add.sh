#!/bin/sh
# add: keys as arguments and on standard input, those that are refused, a queue that is full.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

workq create "$queue" --capacity 100 --key-max 32

expect_output '' workq add "$queue" one two one
expect_figure keys 2
expect_figure coalesced 1
expect_error 0 'added 1, coalesced 2' workq add -v "$queue" one two three
[ "$(drain)" = "$(printf 'one\ntwo\nthree')" ] || fail "not in the order in which they were added"
expect_output '' workq add "$queue" -- -x --json --
[ "$(drain)" = "$(printf -- '-x\n--json\n--')" ] || fail "keys that look like options"
ok "keys as arguments"

printf 'a\nb\nlast without newline' | expect_output '' workq add "$queue"
[ "$(drain)" = "$(printf 'a\nb\nlast without newline')" ] || fail "keys of standard input"
printf 'with\nnewline\0b\0c' | expect_output '' workq add "$queue" -0
workq dump "$queue" | grep -q 'key with\\nnewline$' || fail "a key with a newline"
expect_figure keys 3
workq remove "$queue" b c
workq remove "$queue" 'with
newline'
expect_output '' workq add "$queue" </dev/null
printf '\r\n' | workq add "$queue"
workq dump "$queue" | grep -q 'key \\x0d$' || fail "a carriage return is part of a key"
workq remove "$queue" "$(printf '\r')"
ok "keys on standard input"

seq 1 100 | workq add "$queue"
[ "$(drain)" = "$(seq 1 100)" ] || fail "many keys"
ok "many keys"

printf 'good\n\n123456789012345678901234567890123\nalso good\n\0nul\n' >"$scratch/keys"
run_it workq add "$queue" <"$scratch/keys"
[ "$status" = 1 ] || fail "status $status for keys that are refused"
[ "$(wc -l <"$scratch/err")" = 2 ] || fail "not a line for each key that is refused"
grep -q '^workq: line 2: empty key' "$scratch/err" || fail "the empty line"
grep -q "^workq: line 3: longer than the key limit of queue '$queue', 32 bytes" "$scratch/err" || fail "the long line"
expect_figure keys 3
workq dump "$queue" | grep -q 'key \\x00nul$' || fail "a key with NUL"
printf '\0' | expect_error 1 'key 1: empty key' workq add "$queue" -0
# Of the command line all are checked before the first is added.
expect_error 1 "key '123456789012345678901234567890123': longer than the key limit of queue '$queue', 32 bytes; nothing was added" \
  workq add "$queue" first 123456789012345678901234567890123
expect_error 1 "key 1 is empty \(an unset shell variable\?\); nothing was added" workq add "$queue" ''
expect_error 1 "key 3 is empty .*; nothing was added" workq add "$queue" first second '' third
expect_figure keys 3
workq add "$queue" 12345678901234567890123456789012
# Lines far longer than any buffer, of which nothing must be taken for a key, and the good ones between them.
{
  head -c 300000 /dev/zero | tr '\0' x
  printf '\nshort\n'
  head -c 33000 /dev/zero | tr '\0' y
  printf '\n'
  head -c 1000000 /dev/zero | tr '\0' z
} >"$scratch/keys"
run_it workq add "$queue" <"$scratch/keys"
[ "$(grep -c '^workq: line [134]: longer than the key limit' "$scratch/err")" = 3 ] || fail "three lines are too long"
expect_figure keys 5
yes '' | head -n 5000 >"$scratch/keys"
run_it workq add "$queue" <"$scratch/keys"
[ "$(wc -l <"$scratch/err")" -le 12 ] || fail "thousands of lines about thousands of empty lines"
grep -q '4990 more' "$scratch/err" || fail "the rest of the faults is not counted"
workq rm --force "$queue"
ok "keys that are refused"

workq create "$queue" --key-max 32768
{
  head -c 32768 /dev/zero | tr '\0' x
  printf '\n'
  head -c 32769 /dev/zero | tr '\0' x
  printf '\n'
  head -c 32768 /dev/zero | tr '\0' y
} >"$scratch/keys"
run_it workq add "$queue" <"$scratch/keys"
[ "$status" = 1 ] || fail "status $status"
grep -q '^workq: line 2: longer than the key limit of .*, 32768 bytes' "$scratch/err" || fail "a key one byte too long"
expect_figure ready 2
workq rm --force "$queue"
ok "the longest key there can be"

workq create "$queue" --capacity 4
seq 1 9 | expect_error 1 "from line 5 on nothing was added: queue '$queue' is full with 4 keys .*--wait" workq add "$queue"
expect_error 1 "from key '6' on nothing was added" workq add "$queue" 1 6 7
seq 4 5 | expect_error 1 "from line 2 on .* timed out waiting for space in queue '$queue' \(4 of 4 keys\)" workq add --wait 20ms "$queue"
expect_figure keys 4
seq 1 50 | workq add --wait forever "$queue" &
adder=$!
later $adder
eventually waits_for room
workq run "$queue" -q -- sh -c 'echo "$1" >>"$2"' sh {} "$scratch/seen" &
runner=$!
later $runner
ended $adder
[ "$status" = 0 ] || fail "adding with --wait has failed"
workq shutdown "$queue" --drain
ended $runner
[ "$(sort -n "$scratch/seen")" = "$(seq 1 50)" ] || fail "keys were lost on the way"
expect_error 1 'shut down.*workq resume' workq add "$queue" key
workq rm --force "$queue"
ok "a full queue, a queue that is shut down"

workq create "$queue"
workq add "$queue" low --priority -5
workq add "$queue" normal
workq add "$queue" --priority=127 high
[ "$(drain)" = "$(printf 'high\nnormal\nlow')" ] || fail "priorities"
workq add "$queue" --after 1h later
workq add "$queue" --rate-limited --after 1h failed
workq dump "$queue" >"$scratch/dump"
grep -Eq '^delayed .*due in [0-9.]+s  key later$' "$scratch/dump" || fail "--after"
grep -Eq 'failures 1 .*key failed$' "$scratch/dump" || fail "--rate-limited"
workq add "$queue" --after 0 later failed
expect_figure delayed 0
workq rm --force "$queue"
ok "--priority, --after, --rate-limited"

# A slow source's keys are added as they come.
workq create "$queue"
mkfifo "$scratch/fifo"
workq add "$queue" <"$scratch/fifo" &
adder=$!
later $adder
exec 3>"$scratch/fifo"
printf 'first\nsec' >&3
eventually figure_is ready 1
printf 'ond\n' >&3
eventually figure_is ready 2
exec 3>&-
ended $adder
[ "$status" = 0 ] || fail "status $status"
expect_error 1 'cannot read standard input: Is a directory' workq add "$queue" </
expect_error 1 'cannot read standard input: Bad file descriptor' sh -c 'exec workq add "$1" <&-' sh "$queue"
ok "a slow source, and none"

# On a terminal nobody means to type keys: a variable was empty.
if command -v script >/dev/null; then
  script -qefc "workq add '$queue'" "$scratch/terminal" </dev/null >"$scratch/null" && status=0 || status=$?
  [ "$status" = 2 ] || fail "status $status of add without a key on a terminal"
  grep -q "^workq: add: missing key, and standard input is a terminal (to type keys: cat | workq add '$queue')" "$scratch/terminal" ||
    fail "add without a key on a terminal: $(cat "$scratch/terminal")"
  ok "no key on a terminal"
fi
