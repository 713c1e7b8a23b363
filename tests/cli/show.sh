#!/bin/sh
# ls, dump, stats, check: for people and for programs, with keys of any bytes.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

json() { "$WORKQ_BUILDDIR/tests/cli/json_lines" "$@"; }

workq create "$queue" --capacity 64 --key-max 64 --max-retries 2 --give-up bury

printf '\303\244\0tab\there\0new\nline\0back\\slash\0\\x41\0"quoted"\0\033]0;title\007\0\377\376\0 \0A' |
  workq add "$queue" -0
expect 0 workq dump "$queue"
! LC_ALL=C grep -q '[^ -~]' "$scratch/out" || fail "bytes that are not printable reach the terminal"
for key in '\xc3\xa4' 'tab\x09here' 'new\nline' 'back\\slash' '\\x41' '"quoted"' '\x1b]0;title\x07' '\xff\xfe' ' ' 'A'; do
  grep -Fq "key $key" "$scratch/out" || fail "dump does not show the key $key"
done
grep -q "^queue $queue: open, 10 of 64 keys of at most 64 bytes" "$scratch/out" || fail "the queue's line"
grep -q '^worker 0: pid [0-9]* .*(this one)' "$scratch/out" || fail "the worker's line"
ok "dump, with keys of any bytes"

workq dump "$queue" --json >"$scratch/json"
! LC_ALL=C grep -q '[^ -~]' "$scratch/json" || fail "JSON is not ASCII"
json type <"$scratch/json" >"$scratch/types"
[ "$(sed -n 1p "$scratch/types")" = '"queue"' ] || fail "the queue is not first"
[ "$(sed -n 2p "$scratch/types")" = '"worker"' ] || fail "the worker is not second"
[ "$(grep -c '"item"' "$scratch/types")" = 10 ] || fail "not an item for each key"
grep '"type":"item"' "$scratch/json" | json key key_hex state priority failures crashes pid due_in_ns | sort >"$scratch/items"
for key in '"\u00E4"' '"tab\there"' '"new\nline"' '"back\\slash"' '"\\x41"' '"\"quoted\""' '"\u001B]0;title\u0007"' \
  '" "' '"A"'; do
  grep -Fxq "$key	-	\"ready\"	0	0	0	-	-" "$scratch/items" || fail "JSON does not show the key $key"
done
grep -Fxq -e "-	\"fffe\"	\"ready\"	0	0	0	-	-" "$scratch/items" || fail "JSON does not show the key that is not UTF-8"
[ "$(grep '"type":"queue"' "$scratch/json" | json name ready capacity paused shut_down limiter max_retries mode)" = \
  "\"$queue\"	10	64	false	false	\"exp:5ms:1s:2\"	2	\"0600\"" ] || fail "the queue in JSON"
[ "$(grep '"type":"worker"' "$scratch/json" | json self processing waiting)" = "true	0	\"no\"" ] ||
  fail "the worker in JSON"
ok "dump --json"

for option in '' --json; do
  # A raw look takes no handle, and so shows none of its own.
  expect 0 workq dump "$queue" --raw $option
  ! grep -q 'this one\|"type":"worker"' "$scratch/out" || fail "--raw has taken a handle"
done
json key <"$scratch/out" >"$scratch/keys"
grep -Fxq '"A"' "$scratch/keys" || fail "--raw does not show the keys"
ok "dump --raw"

# Each byte as a key: NUL is one on a line, the others are between NULs.
workq rm --force "$queue"
workq create "$queue"
printf '\0\n' | workq add "$queue"
byte=1
while [ $byte -lt 256 ]; do
  # shellcheck disable=SC2059
  printf "$(printf '\\%03o' $byte)\\0"
  byte=$((byte + 1))
done >"$scratch/bytes"
workq add "$queue" -0 <"$scratch/bytes"
expect_figure keys 256
expect 0 workq dump "$queue"
[ "$(sed -n 's/^ready .*  key //p' "$scratch/out" | sort -u | wc -l)" = 256 ] || fail "two keys look alike"
expect 0 workq dump "$queue" --json
grep '"type":"item"' "$scratch/out" | json key key_hex | sort -u >"$scratch/keys"
[ "$(wc -l <"$scratch/keys")" = 256 ] || fail "two keys look alike in JSON"
[ "$(grep -c '^-' "$scratch/keys")" = 128 ] || fail "bytes from 0x80 on are not UTF-8"
ok "each byte is shown in its own way"

# The states.
workq rm --force "$queue"
workq create "$queue" --max-retries 1 --limiter exp:1us:1us
workq add "$queue" buried
workq run "$queue" -q --until-empty -- false
workq add "$queue" --after 1h delayed
workq add "$queue" processing
mkfifo "$scratch/started" "$scratch/go"
workq run "$queue" -- sh -c 'echo >"$1"; cat "$2"' sh "$scratch/started" "$scratch/go" {} >/dev/null 2>&1 &
runner=$!
later $runner
read -r _ <"$scratch/started"
workq add "$queue" --priority 5 ready
workq dump "$queue" --json | json type key state priority failures due_in_ns >"$scratch/items"
grep -q '^"item"	"buried"	"buried"	0	1	-$' "$scratch/items" || fail "the buried key"
grep -q '^"item"	"delayed"	"delayed"	0	0	[0-9]*$' "$scratch/items" || fail "the delayed key"
grep -q '^"item"	"processing"	"processing"	0	0	-$' "$scratch/items" || fail "the key being processed"
grep -q '^"item"	"ready"	"ready"	5	0	-$' "$scratch/items" || fail "the ready key"
worker=$(workq dump "$queue" --json | grep '"key":"processing"' | json pid)
workq dump "$queue" | grep -q "^worker [0-9]*: pid $worker .*1 in flight" || fail "the worker that has the key"
workq add "$queue" processing
workq dump "$queue" | grep -Eq "^dirty .* pid $worker  key processing" || fail "the dirty key"
ok "states"

expect 0 workq stats "$queue"
awk 'NF != 2 || $1 !~ /^[a-z_]+$/ { print "FAIL: " $0; bad = 1 } END { exit bad }' "$scratch/out"
for pair in ready=1 processing=1 delayed=1 buried=1 keys=4 gave_up=1 shut_down=no paused=no; do
  grep -Eq "^${pair%=*} +${pair#*=}\$" "$scratch/out" || fail "stats: not $pair"
done
sed "s/ .*//; s/^\(next_due_in\|reap_interval\|crash_forget\|unfinished\|longest\)$/&_ns/" "$scratch/out" | sort >"$scratch/names"
expect 0 workq stats "$queue" --json
[ "$(wc -l <"$scratch/out")" = 1 ] || fail "stats --json is not one line"
[ "$(json type ready processing delayed buried gave_up reap_interval_ns <"$scratch/out")" = \
  '"queue"	1	1	1	1	1	100000000' ] || fail "stats --json"
while read -r name; do
  [ "$(json "$name" <"$scratch/out")" != - ] || fail "stats --json has no $name"
done <"$scratch/names"
ok "stats"

expect 0 workq ls
[ "$(grep -c "^$queue	" "$scratch/out")" = 1 ] || fail "ls does not list the queue, tab-separated"
[ "$(grep "^$queue	" "$scratch/out" | cut -f 2-5,8)" = '1	1	1	1	open' ] || fail "what ls says of the queue"
workq pause "$queue"
workq ls | grep -q "^$queue	.*	paused$" || fail "ls: paused"
workq shutdown "$queue"
workq ls | grep -q "^$queue	.*	shut-down$" || fail "ls: shut down"
echo 'not a queue' >"$SHM$queue-foreign"
expect 0 workq ls
grep -q "^$queue-foreign	-	-	-	-	-	-	error: ." "$scratch/out" || fail "ls: a file that is no queue"
rm "$SHM$queue-foreign"
ok "ls"

expect_output "$queue: sound, 4 keys" workq check "$queue"
workq rm --force "$queue"
workq create "$queue"
workq add "$queue" key
expect_output "$queue: sound, 1 key" workq check "$queue"
ok "check"
