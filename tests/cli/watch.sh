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
expect_error 2 'settle takes a duration' workq watch "$queue" "$tree" --settle later
expect_error 2 "priority takes a number from -128 to 127, not '128'" workq watch "$queue" "$tree" --priority 128
expect_error 2 "include takes a pattern .* not '': it is empty" workq watch "$queue" "$tree" --include ''
expect_error 2 "exclude takes a pattern .* not '/': it is empty" workq watch "$queue" "$tree" --include a --exclude /
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
start_watch --resync=50ms --resync-all
takes top sql/main
takes top sql/main
rm -r "$tree/sql"
takes top sql/main
end_watch TERM
stop_taking
ok "resync of all"

# Each time there are many resyncs meanwhile; none of them tells of anything but the file that has changed.
start_taking
start_watch --resync 1ms
takes top
for i in 1 2 3 4 5 6 7 8 9 10; do
  echo "$i" >"$tree/web/site"
  takes web/site
done
end_watch TERM
stop_taking
rm "$tree/web/site"
ok "resync tells only of what has changed"

start_taking
start_watch --resync 1ms
takes top
exec 3>"$tree/slow"
echo half >&3
chmod 600 "$tree/slow"
echo 1 >"$tree/quick"
takes quick
echo whole >&3
echo 2 >"$tree/quick"
takes quick
exec 3>&-
takes slow
echo 1 >"$tree/slow.new"
takes slow.new
mv "$tree/slow.new" "$tree/slow"
takes slow slow.new
end_watch TERM
stop_taking
rm "$tree/slow" "$tree/quick"
ok "a file that is being written"

# A listing finds the open file, and later ones find it again.
start_taking
mkdir "$tree/db"
exec 3>"$tree/db/open"
echo half >&3
start_watch --resync 1ms 3>&-
takes top
echo 1 >"$tree/db/quick"
takes db/quick
exec 3>&-
takes db/open
end_watch TERM
stop_taking
rm -r "$tree/db"
ok "a file that was opened before"

# It waits for a second at least, which is more than the rest takes; so it is told of once, however often it was written.
start_taking
start_watch --settle 1s --resync 10ms
takes top
echo 1 >"$tree/log"
echo 2 >>"$tree/log"
takes log
end_watch TERM
stop_taking
rm "$tree/log"
ok "settle"

mkdir -p "$tree/src/old" "$tree/.git"
for file in a.c a.h a.o src/b.c src/old/c.c .git/d.c; do echo 1 >"$tree/$file"; done
start_taking
start_watch --resync 0 --include '*.[ch]' --exclude .git --include /top --exclude src/old/
takes top a.c a.h src/b.c
mv "$tree/a.o" "$tree/e.h"
takes e.h
end_watch TERM
stop_taking
rm -r "$tree/src" "$tree/.git" "$tree"/?.[ch]
ok "include and exclude"

start_watch --resync 0 --priority -7
has_priority() { workq dump --json "$queue" | grep '"key":"top"' | grep -q '"priority":-7'; }
eventually has_priority
end_watch TERM
drain >/dev/null
ok "priority"

long=a-name-of-more-than-thirty-two-bytes
start_taking
start_watch --resync 50ms --resync-all
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

# ends_with_root OPTION...: watch, once its directory has gone.
ends_with_root() {
  ended $watcher
  [ "$status" = 1 ] && [ "$(wc -l <"$scratch/said")" = 1 ] &&
    grep -q "^workq: stopped watching '.*/tree': it was removed or moved away" "$scratch/said" ||
    fail "watch: status $status, said: $(cat "$scratch/said")"
}
for resync in 0 10ms 1h; do
  start_taking
  start_watch --resync $resync
  takes top
  mv "$tree" "$tree.away"
  ends_with_root
  takes top
  mv "$tree.away" "$tree"
  start_watch --resync $resync
  takes top
  cp -r "$tree" "$tree.copy"
  rm -r "$tree"
  ends_with_root
  takes top
  mv "$tree.copy" "$tree"
  # Somebody is in it: the kernel sends the event of its end when he leaves.
  start_watch --resync $resync
  takes top
  cp -r "$tree" "$tree.copy"
  mkfifo "$scratch/leave"
  (cd "$tree" && exec cat "$scratch/leave") &
  later $!
  exec 4>"$scratch/leave"
  rm -r "$tree"
  ends_with_root
  takes top
  exec 4>&-
  rm "$scratch/leave"
  mv "$tree.copy" "$tree"
  stop_taking
done
ok "a directory that goes"

workq shutdown "$queue"
expect_error 1 'is shut down \(reopen: workq resume' workq watch "$queue" "$tree"
workq resume "$queue"
start_taking
start_watch --resync 0
takes top
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
