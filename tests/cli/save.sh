#!/bin/sh
# save and load: the whole state goes to a file and comes back; what is bad or cut off is refused before anything changes.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

json() { "$WORKQ_BUILDDIR/tests/cli/json_lines" "$@"; }
other=$queue-other
file=$scratch/saved

# keys NAME: what a queue's keys are, without what only the moment says.
keys() { workq save "$1" - | grep '"type":"item"' | json key key_hex state priority failures crashes; }

# A key in each state, with bytes of every kind; "held" is in the hands of a command.
workq create "$queue" --no-metrics --capacity 500 --key-max 80 --handles 9 --limiter exp:1h:2h:3,jitter:0.5 --max-retries 2 \
  --max-crashes 0 --reap-interval 50ms
printf 'new\nline\000\303\244\000\377\376\000\033[31m\000plain' | workq add "$queue" -0
workq add "$queue" --priority 9 urgent
workq add "$queue" --priority -128 last
workq add "$queue" --after 1h later
workq add "$queue" --after 1m sooner
workq add "$queue" --priority 100 hopeless failing
workq run "$queue" -j 1 -q -- sh -c 'case $1 in hopeless) exit 100;; failing) exit 1;; *) echo $$ >"$2"; exec sleep 1000;; esac' \
  sh {} "$scratch/held" &
later $!
eventually test -s "$scratch/held"
expect 0 workq save "$queue" "$file"
expect_output '' cat "$scratch/err"
[ "$(stat -c %a "$file")" = 600 ] || fail "others can read what was saved"
ls "$scratch"/saved.* 2>/dev/null && fail "a temporary file is left"
[ "$(head -n 1 "$file" | json type format capacity key_max handles mode max_retries max_crashes limiter paused)" = \
  '"queue"	1	500	80	9	"0600"	2	0	"exp:1h:2h:3,jitter:0.5"	false' ] || fail "the queue's line: $(head -n 1 "$file")"
[ "$(tail -n 1 "$file")" = '{"type":"end","keys":11}' ] || fail "the last line: $(tail -n 1 "$file")"
ok "save"

workq load "$other" "$file"
for figure in capacity key_max handles reap_interval crash_forget limiter max_retries max_crashes mode give_up paused shut_down metrics; do
  expect_figure $figure "$(figure $figure)" "$other"
done
keys "$queue" | sed 's/"processing"/"ready"/' | sort >"$scratch/before"
keys "$other" | sort >"$scratch/after"
cmp -s "$scratch/before" "$scratch/after" || fail "not the same keys: $(diff "$scratch/before" "$scratch/after")"
[ "$(wc -l <"$scratch/after")" -eq 11 ] || fail "not all keys"
for state in '"hopeless"	-	"buried"	100	0	0' '"failing"	-	"delayed"	100	1	0' '-	"fffe"	"ready"	0	0	0' \
  '"new\nline"	-	"ready"	0	0	0'; do
  grep -Fxq -e "$state" "$scratch/after" || fail "not restored: $state"
done
[ "$(keys "$other" | head -n 1 | cut -f 1)" = '"urgent"' ] || fail "the first key is not the first"
ok "load makes the queue as it was"

# Loading again, into a queue that is there, changes nothing.
workq load "$other" "$file"
keys "$other" | sort >"$scratch/again"
cmp -s "$scratch/after" "$scratch/again" || fail "loaded twice: $(diff "$scratch/after" "$scratch/again")"
expect_figure keys 11 "$other"
ok "loading twice does no harm"

workq rm --force "$other"
workq create "$other" --mode 0660
workq add --shared "$other" key
workq save --shared "$other" "$scratch/group"
workq rm --force "$other"
workq load --shared "$other" "$scratch/group"
[ "$(workq stats --shared "$other" | grep -Ec '^(mode  *0660|keys  *1)$')" = 2 ] || fail "a queue of a group is not as it was"
ok "the mode is kept"

# From standard input, into one that has other keys; times go on meanwhile.
workq rm --force "$other"
workq create "$other" --key-max 80
workq add "$other" plain own
workq shutdown "$other"
expect 1 workq load "$other" "$file"
grep -q 'shut down' "$scratch/err" || fail "a queue that is shut down"
workq resume "$other"
sed '1s/"saved_at_ns":[0-9]*/"saved_at_ns":1000000000000000000/' "$file" | workq load "$other" - -v 2>"$scratch/err"
grep -q '^workq: loaded 11 keys$' "$scratch/err" || fail "load -v"
expect_figure keys 12 "$other"
expect_figure delayed 0 "$other"
ok "standard input; delays go on while a queue is saved"

# Flags.
for state in paused shut_down; do
  workq rm --force "$other"
  workq create "$other"
  workq add "$other" a b
  [ $state = paused ] && workq pause "$other" || workq shutdown "$other"
  workq save "$other" "$file-flag"
  workq rm --force "$other"
  workq load "$other" "$file-flag"
  expect_figure $state yes "$other"
  expect_figure ready 2 "$other"
done
ok "paused and shut-down queues"
workq rm --force "$other"

# Bad files: one line that says what, and no queue.
lines=$(wc -l <"$file")
bad() { # bad PATTERN: $scratch/bad is refused
  expect_error 1 "$1" workq load "$other" "$scratch/bad"
  [ ! -e "$SHM$other" ] || fail "a bad file has made a queue ($1)"
}
: >"$scratch/bad"
bad "is empty"
for n in $(seq 1 $((lines - 1))); do
  head -n "$n" "$file" >"$scratch/bad"
  bad "line $((n + 1)): the file is truncated"
done
head -c 700 "$file" >"$scratch/bad"
bad "line [0-9]*: not a line of a saved queue, or the file is truncated"
sed 3d "$file" >"$scratch/bad"
bad "keys before this line are missing"
change() { # change SED-COMMAND PATTERN
  sed "$1" "$file" >"$scratch/bad"
  ! cmp -s "$file" "$scratch/bad" || fail "nothing changed by $1"
  bad "$2"
}
change '1s/"format":1/"format":2/' "newer version"
change '1s/"type":"queue"/"type":"worker"/' "not written by workq save"
change '1s/"capacity":500/"capacity":67108865/' "a queue option is"
change '1s/"key_max":80/"key_max":-1/' "a queue option is"
change '1s/"limiter":"[^"]*"/"limiter":"exp:1s"/' "a queue option is"
change '1s/"mode":"0600"/"mode":"rw"/' "a queue option is"
change '1s/"mode":"0600"/"mode":"0640"/' "a queue option is"
change '1s/"paused":false/"paused":0/' "a queue option is"
change '1s/"give_up":"bury"/"give_up":"forget"/' "a queue option is"
change '2s/"key":"[^"]*"/"key":""/' "line 2: empty key"
change '2s/"key":"[^"]*"/"key":5/' "line 2: missing or invalid key"
change "2s/\"key\":\"[^\"]*\"/\"key\":\"$(printf '%081d' 0)\"/" "line 2: the key is longer than the queue allows"
change '2s/"state":"[a-z]*"/"state":"unknown"/' "line 2: the key's state"
change '2s/"priority":[0-9-]*/"priority":128/' "line 2: the key's state"
change '2s/"failures":[0-9]*/"failures":4294967296/' "line 2: the key's state"
change '2s/"crashes":[0-9]*/"crashes":-1/' "line 2: the key's state"
change 's/,"due_in_ns":[0-9]*//' "the key's state"
change 's/"key_hex":"fffe"/"key_hex":"fff"/' "missing or invalid key"
change 's/"key_hex":"fffe"/"key_hex":"fffg"/' "missing or invalid key"
change '2s/.*/[]/' "line 2: not a line of a saved queue"
change '2s/{/{{/' "line 2: not a line of a saved queue"
change '2s/"type":"item"/"type":"thing"/' "neither a key nor the end"
# What stands behind the end is no part of it.
cat "$file" "$file" >"$scratch/bad"
bad "line 14: this stands behind the end of a saved queue; nothing was changed"
for more in '\n' x '\0' ' '; do
  { cat "$file" && printf "$more"; } >"$scratch/bad"
  bad "line 14: this stands behind the end of a saved queue"
done
head -c 300000 /dev/zero | tr '\0' x >"$scratch/bad"
bad "line 1"
expect_error 1 "cannot read '.*none': No such file" workq load "$other" "$scratch/none"
expect_error 1 "cannot read '$scratch': Is a directory" workq load "$other" "$scratch"
# Into a queue that has no room, or for shorter keys: nothing is lost, and it says how far it came.
workq create "$other" --key-max 64
sed "2s/\"key\":\"[^\"]*\"/\"key\":\"$(printf '%065d' 0)\"/" "$file" >"$scratch/bad"
expect_error 1 "line 2: the key is longer" workq load "$other" "$scratch/bad"
expect_figure keys 0 "$other"
workq rm --force "$other"
workq create "$other" --capacity 3
expect 1 workq load "$other" "$file"
grep -q "loaded 3 keys of '$file', up to line 4" "$scratch/err" || fail "a full queue"
expect_figure keys 3 "$other"
workq rm --force "$other"
ok "bad files"

cp "$file" "$scratch/old"
expect_error 1 "not saved: '$file' exists, and is not replaced" workq save --no-replace "$queue" "$file"
cmp -s "$file" "$scratch/old" || fail "--no-replace has replaced a file"
expect_output '' workq save --no-replace "$queue" "$scratch/fresh"
tail -n 1 "$scratch/fresh" | grep -q '"type":"end"' || fail "--no-replace has not saved"
ok "save --no-replace"

# Once: the file goes, and a queue that has lived on since it was saved is newer.
once=$scratch/once
expect_output '' workq load --once "$other" "$once"
[ ! -e "$SHM$other" ] || fail "no file has made a queue"
expect_error 0 "there is no '$once': nothing to load" workq load -v --once "$other" "$once"
cp "$file" "$once"
expect_error 0 'loaded 11 keys' workq load -v --once "$other" "$once"
[ ! -e "$once" ] && [ ! -e "$once.loaded" ] || fail "a file that was loaded is still there"
expect_figure keys 11 "$other"
expect_figure paused no "$other"
workq save "$other" "$once"
workq remove "$other" urgent
expect_error 0 "queue '$other' has not gone since it was saved: '$once' is not loaded, and removed" workq load -v --once "$other" "$once"
expect_figure keys 10 "$other"
[ ! -e "$once" ] || fail "a file that was not loaded is still there"
# A new queue of that name is another one; it is paused or not as that which was saved.
workq save "$other" "$once"
workq rm --force "$other"
workq create "$other" --key-max 80
workq pause "$other"
workq add "$other" new
expect_output '' workq load --once "$other" "$once"
expect_figure keys 11 "$other"
expect_figure paused no "$other"
workq pause "$other"
workq save "$other" "$once"
workq rm --force "$other"
workq load --once "$other" "$once"
expect_figure paused yes "$other"
workq rm --force "$other"
# A bad file stays, and so does one that cannot be taken away.
printf 'nonsense\n' >"$once"
expect_error 1 'line 1' workq load --once "$other" "$once"
[ -e "$once" ] || fail "a bad file is gone"
rm "$once"
cp "$file" "$once"
mkdir -p "$once.loaded/x"
expect 1 workq load --once "$other" "$once"
[ -e "$once" ] || fail "the file is gone"
[ ! -e "$SHM$other" ] || expect_figure paused yes "$other"
rm -r "$once" "$once.loaded"
workq rm --force "$other" 2>/dev/null || :
ok "load --once"

# What cannot be written is said, and leaves the old file as it was.
cp "$file" "$scratch/old"
expect_error 1 "cannot write '$scratch/none/saved'" workq save "$queue" "$scratch/none/saved"
if [ -c /dev/full ]; then
  run_it sh -c 'workq save "$1" - >/dev/full' sh "$queue"
  [ "$status" = 1 ] && grep -q 'cannot write to standard output' "$scratch/err" || fail "a full disk"
fi
expect_error 1 'file size limit' sh -c 'ulimit -f 8; exec workq save "$1" "$2"' sh "$queue" "$file"
cmp -s "$file" "$scratch/old" || fail "the old file is gone"
ls "$scratch"/saved.* 2>/dev/null && fail "a temporary file is left"
expect_error 1 "queue '$other' does not exist" workq save "$other" "$file"
cmp -s "$file" "$scratch/old" || fail "the old file is gone"
ok "what cannot be written"

# What is no file is written in place, and keeps its name; a symbolic link stays one.
mkfifo "$scratch/pipe"
cat "$scratch/pipe" >"$scratch/through" &
later $!
expect 0 workq save "$queue" "$scratch/pipe"
eventually grep -q '"type":"end"' "$scratch/through"
[ -p "$scratch/pipe" ] || fail "a file has taken the pipe's name"
ln -s saved "$scratch/link"
expect 0 workq save "$queue" "$scratch/link"
[ -L "$scratch/link" ] || fail "a file has taken the link's name"
tail -n 1 "$file" | grep -q '"type":"end"' || fail "the link's file was not written"
if [ -c /dev/full ]; then
  ln -s /dev/full "$scratch/full"
  expect_error 1 "cannot write '$scratch/full'" workq save "$queue" "$scratch/full"
  [ -c /dev/full ] || fail "a file has taken the device's name"
fi
ok "pipes, devices and links"

# A stuck queue, and a damaged one.
workq create "$other"
workq add "$other" a b c
mkfifo "$scratch/hold"
"$WORKQ_BUILDDIR/tests/cli/hold_lock" "$other" <"$scratch/hold" >"$scratch/holder" &
later $!
exec 3>"$scratch/hold"
eventually test -s "$scratch/holder"
expect 0 workq save "$other" "$scratch/stuck" --raw
exec 3>&-
grep -q '"end","keys":3' "$scratch/stuck" || fail "a stuck queue"
ok "a stuck queue"

# The head of the list of buried keys (in the control block's third line) leads nowhere.
workq rm --force "$other"
workq load "$other" "$file"
printf '\377\377\377\177' | dd of="$SHM$other" bs=1 seek=$((4096 + 2 * 64 + 12)) conv=notrunc 2>/dev/null
expect 1 workq check "$other"
expect 1 workq save "$other" "$scratch/damaged"
grep -q "queue '$other' is damaged .*: saved the 11 keys" "$scratch/err" || fail "a damaged queue"
grep -q '"key":"hopeless","state":"buried"' "$scratch/damaged" || fail "a key that no list leads to"
workq rm --force "$other"
expect 0 workq load "$other" "$scratch/damaged"
expect 0 workq check "$other"
expect_figure keys 11 "$other"
ok "a damaged queue"
