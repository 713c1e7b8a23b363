#!/bin/sh
# watch: the keys that it adds, and what it says when it cannot.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2015,SC2016
. "$(dirname "$0")/lib.sh"

tree=$scratch/tree
mkdir -p "$tree/web"
echo 1 >"$tree/top"
echo 1 >"$tree/web/site"

expect_error 1 'does not exist' workq watch "$queue" "$tree"
workq create "$queue" --key-max 32 --capacity 64
expect_error 1 "directory '.*/missing' does not exist" workq watch "$queue" "$tree/missing"
expect_error 1 "/top' is not a directory" workq watch "$queue" "$tree/top"
expect_error 2 'resync takes a duration' workq watch "$queue" "$tree" --resync soon
expect_error 2 '' workq watch "$queue"
expect_error 2 '' workq watch "$queue" "$tree" more
ok "bad arguments"

# start_watch OPTION...: in the background, as $watcher; all that is there is listed before it reacts to changes.
start_watch() {
  workq watch "$queue" "$tree" "$@" 2>"$scratch/said" &
  watcher=$!
  later $watcher
}

# start_taking: a worker writes the keys that become ready to $scratch/taken, as they come.  (A queue to which keys are added
# all the time need never be empty, so that it cannot be drained.)
start_taking() {
  : >"$scratch/taken"
  seen=0
  workq run "$queue" -q -- sh -c 'echo "$1" >>"$0"' "$scratch/taken" {} &
  taker=$!
  later $taker
}

# takes KEY...: just these become ready, perhaps one after the other.
takes() {
  printf '%s\n' "$@" | sort >"$scratch/wanted"
  eventually all_taken
}
all_taken() {
  now=$(wc -l <"$scratch/taken")
  # Not sed's "3,2p", which is line 3 if that has come meanwhile.
  head -n "$now" "$scratch/taken" | tail -n "+$((seen + 1))" | sort -u | cmp -s - "$scratch/wanted" || return 1
  seen=$now
}
is_taken() { grep -qx "$1" "$scratch/taken"; }

# stop_taking: what has come meanwhile is forgotten.
stop_taking() {
  kill -TERM $taker
  ended $taker
  [ "$status" = 0 ] || fail "the worker: status $status"
  drain >/dev/null
}

# end_watch SIGNAL
end_watch() {
  kill "-$1" $watcher
  ended $watcher
  [ "$status" = 0 ] && [ ! -s "$scratch/said" ] || fail "watch: status $status, said: $(cat "$scratch/said")"
}

start_taking
start_watch --resync 0
takes top web/site
echo 2 >"$tree/web/site"
takes web/site
# Moved here with its file, so that there is one event: of a file that is made in a directory just made there may be two.
mkdir "$scratch/db"
echo 1 >"$scratch/db/main"
mv "$scratch/db" "$tree"
takes db/main
rm "$tree/web/site"
takes web/site
mv "$tree/db" "$tree/sql"
takes db/main sql/main
end_watch INT
stop_taking
ok "changes"

start_taking
start_watch --resync=50ms
takes top sql/main
takes top sql/main
rm -r "$tree/sql"
takes top sql/main
end_watch TERM
stop_taking
ok "resync"

long=a-name-of-more-than-thirty-two-bytes
start_taking
start_watch --resync 50ms
takes top
echo 1 >"$tree/$long"
echo 1 >"$tree/short"
takes short top
takes short top
kill -TERM $watcher
ended $watcher
[ "$status" = 0 ] || fail "watch: status $status"
[ "$(grep -c "^workq: skipped file '$long': .*, 32 bytes$" "$scratch/said")" = 1 ] ||
  fail "of the long name: $(cat "$scratch/said")"
rm "$tree/$long"
stop_taking
ok "a name that is too long"

seq 1 64 | workq add "$queue"
start_watch --resync 0
eventually grep -q 'is full; waiting for space' "$scratch/said"
workq run "$queue" --until-empty -- true
takes_room() { [ "$(figure adds)" -ge "$((before + 2))" ]; }
before=$(figure adds)
rm "$tree/short"
echo 3 >"$tree/top"
eventually takes_room
kill -TERM $watcher
ended $watcher
[ "$status" = 0 ] && [ "$(wc -l <"$scratch/said")" = 1 ] || fail "a full queue: $status, $(cat "$scratch/said")"
drain >/dev/null
ok "a full queue"

start_taking
start_watch --resync 50ms
takes top
mv "$tree" "$tree.away"
eventually grep -q "tree' disappeared" "$scratch/said"
mkdir "$tree"
echo 1 >"$tree/back"
eventually is_taken back
kill -TERM $watcher
ended $watcher
[ "$status" = 0 ] || fail "watch: status $status"
stop_taking
ok "a directory that goes and comes back"

workq shutdown "$queue"
expect_error 1 'is shut down \(reopen: workq resume' workq watch "$queue" "$tree"
workq resume "$queue"
start_taking
start_watch --resync 50ms
takes back
workq shutdown "$queue"
ended $taker
[ "$status" = 0 ] || fail "the worker: status $status after shutdown"
ended $watcher
[ "$status" = 1 ] && grep -q '^workq: .*is shut down' "$scratch/said" || fail "shutdown: $status $(cat "$scratch/said")"
workq resume "$queue"
drain >/dev/null
ok "a queue that is shut down"

# In a user namespace of its own a process can have a limit of its own.
limited() { unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_inotify_watches && exec "$@"' sh "$@"; }
if limited true 2>/dev/null; then
  expect_error 1 'raise fs.inotify.max_user_watches' limited "$WORKQ" watch "$queue" "$tree"
  ok "no watches left"
else
  echo "skipped: no watches left (no user namespaces here)"
fi
