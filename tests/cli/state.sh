#!/bin/sh
# shutdown, resume, pause, unpause, remove, kick.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

workq create "$queue" --max-retries 1 --limiter exp:1us:1us

workq add "$queue" a b c
expect_output '' workq shutdown "$queue"
expect_figure shut_down yes
expect_output '' workq shutdown "$queue"
expect_error 1 'is shut down \(reopen: workq resume' workq add "$queue" d
[ "$(workq run "$queue" -- echo)" = "$(printf 'a\nb\nc')" ] || fail "what is ready is not done after shutdown"
expect_output '' workq shutdown "$queue" --drain
expect_output '' workq resume "$queue"
expect_output '' workq resume "$queue"
expect_figure shut_down no
expect_output '' workq add "$queue" d
ok "shutdown, resume"

expect_error 1 'not drained yet: 1 ready, 0 processing' workq shutdown "$queue" --drain 20ms
expect_error 1 'not drained yet' workq shutdown "$queue" --drain=20ms
expect_error 1 'not drained yet' workq shutdown --drain 0 "$queue"
workq shutdown "$queue" --drain >"$scratch/drain" 2>&1 &
drainer=$!
later $drainer
eventually waits_for drain
workq run "$queue" -- true
ended $drainer
[ "$status" = 0 ] && [ ! -s "$scratch/drain" ] || fail "shutdown --drain: status $status"
workq resume "$queue"
workq add "$queue" d
workq shutdown "$queue" --drain >"$scratch/drain" 2>&1 &
drainer=$!
later $drainer
eventually waits_for drain
workq resume "$queue"
ended $drainer
[ "$status" = 1 ] && grep -q 'cancelled by another' "$scratch/drain" || fail "a drain that was cancelled: status $status"
[ "$(drain)" = d ] || fail "the key is not there any more"

# A name may have bytes that are no text.
odd=$(printf '%s-odd\303(\377' "$queue")
workq create "$odd"
workq add "$odd" --after 1h later
expect 0 workq shutdown "$odd" --drain
[ "$(cat "$scratch/err")" = "workq: queue '$queue-odd\\xc3(\\xff' is drained; delayed keys that remain in it: 1" ] ||
  fail "delayed keys: $(cat "$scratch/err")"
workq rm --force "$odd"
ok "shutdown --drain"

expect_output '' workq pause "$queue"
expect_output '' workq pause "$queue"
expect_figure paused yes
workq add "$queue" e
workq run "$queue" --until-empty -- echo >"$scratch/seen" &
runner=$!
later $runner
eventually figure_is waiting 1
expect_figure ready 1
[ ! -s "$scratch/seen" ] || fail "a key was handed out during a pause"
expect_output '' workq unpause "$queue"
ended $runner
[ "$(cat "$scratch/seen")" = e ] || fail "the key was not handed out after the pause"
expect_output '' workq unpause "$queue"
ok "pause, unpause"

workq add "$queue" f g
workq add "$queue" --after 1h h
expect_output '' workq remove "$queue" f h
expect_figure keys 1
expect_error 1 "key 'f': nothing to remove" workq remove "$queue" f g
expect_figure keys 0
workq add "$queue" f
expect_error 1 "key 1 is empty .*; nothing was removed" workq remove "$queue" '' f
expect_error 1 "key 2 is empty .*; nothing was removed" workq remove "$queue" f ''
expect_error 1 "key 'x*': longer than the key limit of queue '$queue', 256 bytes; nothing was removed" \
  workq remove "$queue" f "$(printf '%0257d' 0 | tr 0 x)"
expect_figure keys 1
expect_output '' workq remove "$queue" f
expect_error 1 "key '\\\\x1b\[2J': nothing to remove" workq remove "$queue" "$(printf '\033[2J')"
ok "remove"

workq add "$queue" i j k
workq run "$queue" -q --until-empty -- false
expect_figure buried 3
expect_error 1 "key 'x': not buried" workq kick "$queue" x i
expect_figure ready 1
expect_error 2 "kick: missing key; to kick all that are buried: workq kick '$queue' --all" workq kick "$queue"
expect_error 2 "kick: --all cannot be combined with keys" workq kick "$queue" --all j
expect_error 1 "key 2 is empty .*; nothing was kicked" workq kick "$queue" j ''
expect_error 1 "key 1 is empty .*; nothing was kicked" workq kick "$queue" ''
expect_figure buried 2
expect_error 0 'kicked 2' workq kick -v "$queue" --all
[ "$(drain)" = "$(printf 'i\nj\nk')" ] || fail "kicked keys, oldest first"
expect_output '' workq kick "$queue" --all
workq add "$queue" l
workq run "$queue" -q --until-empty -- false
expect_error 0 'removed 1' workq remove -v "$queue" l
expect_figure keys 0
ok "kick, and remove of buried keys"

expect_output "$queue: sound, 0 keys" workq check "$queue"
