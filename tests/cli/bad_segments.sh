#!/bin/sh
# Queues that are stuck, damaged, somebody else's, or none at all: one line that says so, from every subcommand.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

# Each subcommand that opens a queue.
each_command() {
  status_wanted=$1
  pattern=$2
  for words in 'add key' check dump 'dump --json' 'kick --all' 'kick key' pause unpause resume 'remove key' 'run -- true' shutdown \
    'shutdown --drain' stats 'stats --json' 'watch /'; do
    # shellcheck disable=SC2086
    set -- $words
    command=$1
    shift
    expect_error "$status_wanted" "$pattern" workq "$command" "$queue" "$@"
  done
}

# What is no queue.
each_kind() {
  each_command 1 "'$queue' is damaged, or not a queue.*workq rm --force '$queue'"
  expect_error 1 "'$queue' is damaged, or not a queue" workq dump --raw "$queue"
  expect_error 1 "'$queue' is damaged, or not a queue" workq create "$queue" --if-missing
  expect_error 1 'already exists' workq create "$queue"
  expect 0 workq ls
  grep -q "^$queue	.*error: " "$scratch/out" || fail "ls does not show what is wrong"
}

echo garbage >"$SHM$queue"
each_kind
: >"$SHM$queue"
each_kind
head -c 1000000 /dev/urandom >"$SHM$queue"
each_kind
workq rm --force "$queue"
ok "files that are no queue"

mkfifo "$SHM$queue"
each_kind
rm "$SHM$queue"
mkdir "$SHM$queue"
each_kind
rmdir "$SHM$queue"
workq create "$queue-target"
ln -s "workq.$queue-target" "$SHM$queue"
each_kind
rm "$SHM$queue"
ln "$SHM$queue-target" "$SHM$queue"
each_kind
rm "$SHM$queue"
workq rm --force "$queue-target"
ok "a FIFO, a directory, links"

# Cut off at the middle, at a page, by one byte; and longer than it should be.
workq create "$queue" --capacity 1000
workq add "$queue" key
cp "$SHM$queue" "$scratch/good"
size=$(stat -c %s "$SHM$queue")
for cut in $((size / 2)) 4096 64 1 $((size - 1)) $((size + 4096)); do
  truncate -s "$cut" "$SHM$queue"
  each_kind
  cp "$scratch/good" "$SHM$queue"
done
expect_figure keys 1
workq rm --force "$queue"
ok "a file of another size"

# A key's bytes are changed behind the queue's back: it lies in the wrong place of the table now.
workq create "$queue" --capacity 1000
workq add "$queue" before needle after
offset=$(grep -abo needle "$SHM$queue" | cut -d : -f 1)
printf 'N' | dd of="$SHM$queue" bs=1 seek="$offset" conv=notrunc 2>/dev/null
run_it workq check "$queue"
[ "$status" = 1 ] || fail "check finds a damaged queue sound"
[ -s "$scratch/out" ] || fail "check does not say what is wrong"
grep -q "^workq: queue '$queue' has [0-9]* faults\?; .*dump --raw --json" "$scratch/err" || fail "what to do about it"
[ "$(wc -l <"$scratch/err")" = 1 ] || fail "not one line on standard error"
expect 0 workq dump --raw "$queue"
[ "$(grep -c '^ready .* key ' "$scratch/out")" = 3 ] || fail "dump --raw of a damaged queue"
workq rm --force "$queue"
ok "check says what is damaged"

workq create "$queue"
for mode in 0644 0640 0604 0664 0646; do
  chmod $mode "$SHM$queue"
  each_command 1 'has a mode with read but not write permission'
  expect_error 1 'chmod go-r' workq stats --shared "$queue"
done
workq ls | grep -q "^$queue.*error: .*may only read it" || fail "ls does not say what is wrong"
chmod go-r "$SHM$queue"
chmod 0666 "$SHM$queue"
each_command 1 'belongs to another user, or others may write to it; use --shared'
workq add --shared "$queue" key
expect_error 1 'use --shared' workq add "$queue" key
workq stats --shared "$queue" | grep -q '^mode  *0666$' || fail "stats --shared"
for words in check dump 'kick --all' pause unpause resume shutdown 'resume' 'remove key'; do
  # shellcheck disable=SC2086
  set -- $words
  command=$1
  shift
  expect 0 workq "$command" --shared "$queue" "$@"
done
workq add --shared "$queue" key
expect_output key workq run --shared "$queue" --until-empty -- echo
expect 0 workq ls
grep -q "^$queue	.*	open$" "$scratch/out" || fail "ls does not show a shared queue"
chmod 0600 "$SHM$queue"
ok "a queue that others may write to, and --shared"

if [ "$(id -u)" = 0 ]; then
  chown 12345 "$SHM$queue"
  expect_error 1 'belongs to another user' workq stats "$queue"
  expect 0 workq stats --shared "$queue"
  chown 0 "$SHM$queue"
  ok "another user's queue"
else
  echo "SKIPPED: another user's queue: only root can make one"
  chmod 0 "$SHM$queue"
  expect_error 1 'permission denied' workq stats "$queue"
  chmod 0600 "$SHM$queue"
  ok "a queue without permission"
fi

# The lock is held by a process that does not make progress.
workq add "$queue" key
mkfifo "$scratch/holder" "$scratch/release"
"$WORKQ_BUILDDIR/tests/cli/hold_lock" "$queue" <"$scratch/release" >"$scratch/holder" &
later $!
exec 3>"$scratch/release"
read -r holder <"$scratch/holder"
kill -STOP "$holder"
expect_error 1 "lock held by process $holder, .*kill -CONT $holder.*kill -KILL $holder" workq stats "$queue"
expect_error 1 "held by process $holder" workq add "$queue" key
expect 0 workq dump --raw "$queue"
grep -q '^ready .*key key$' "$scratch/out" || fail "dump --raw of a stuck queue"
expect 0 workq ls
grep -q "^$queue	1	" "$scratch/out" || fail "ls of a stuck queue"
kill -CONT "$holder"
exec 3>&-
expect 0 workq add "$queue" another
expect_output "$queue: sound, 2 keys" workq check "$queue"
ok "a lock that is held by a stopped process"

workq rm --force "$queue"
workq create "$queue" --handles 1
mkfifo "$scratch/input"
workq add "$queue" <"$scratch/input" &
adder=$!
later $adder
exec 3>"$scratch/input"
echo key >&3
eventually sh -c 'workq dump --raw "$0" | grep -q "key key$"' "$queue"
expect_error 1 "all handles are in use.*--handles" workq stats "$queue"
expect 0 workq dump --raw "$queue"
exec 3>&-
ended $adder
expect 0 workq stats "$queue"
ok "more users than handles"
