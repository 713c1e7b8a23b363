#!/bin/sh
# create and rm: names, options, what is there already.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

expect_output '' workq create "$queue"
expect_figure capacity 1048576
expect_figure key_max 256
expect_figure handles 128
expect_figure max_retries 0
expect_figure max_crashes 5
expect_figure give_up bury
expect_figure reap_interval 100ms
expect_figure limiter exp:5ms:1s:2
expect_figure mode 0600
[ "$(stat -c %a "$SHM$queue")" = 600 ] || fail "the mode is not 0600"
ok "defaults"

expect_error 1 "already exists.*--if-missing.*workq rm '$queue'" workq create "$queue"
workq add "$queue" kept
expect_output '' workq create "$queue" --if-missing --capacity 7
expect_figure keys 1
expect_figure capacity 1048576
expect_output '' workq rm "$queue"
[ ! -e "$SHM$queue" ] || fail "rm has left the segment"
expect_error 1 "queue '$queue' does not exist.*workq ls" workq rm "$queue"
expect_output '' workq create "$queue" --if-missing
expect_output '' workq rm "$queue"
ok "already exists, --if-missing, rm"

(
  umask 0777
  workq create "$queue" --capacity 100 --key-max 16 --handles 9 --mode 0660 --max-retries 3 --max-crashes 0 \
    --give-up drop --reap-interval 1s500ms
)
[ "$(stat -c %a "$SHM$queue")" = 660 ] || fail "the umask has changed the mode"
expect 0 workq stats "$queue" # its owner needs no --shared
chmod 0620 "$SHM$queue"       # but for a mode that it was not made with
expect_error 1 'others may write.*--shared' workq stats "$queue"
chmod 0660 "$SHM$queue"
workq stats --shared "$queue" >"$scratch/stats"
for line in 'capacity 100' 'key_max 16' 'handles 9' 'max_retries 3' 'max_crashes 0' 'give_up drop' 'mode 0660' \
  'reap_interval 1s500ms'; do
  grep -Eq "^${line% *} +${line#* }\$" "$scratch/stats" || fail "not as asked for: $line"
done
workq rm "$queue"
ok "options"

# What stats shows can be given to create again.
for spec in none exp:5ms:1s:2 exp:1us:1000h:1.25 fastslow:0:100ms:3 bucket:10/s:100 bucket:0.001/s:1 \
  exp:5ms:1s:2,fastslow:10ms:100ms:3,bucket:2.5/s:4294967295,maxwait:30s,jitter:0.1 \
  exp:1ns:2ns:1e+09,jitter:0.30000000000000004; do
  workq create "$queue" --limiter "$spec"
  expect_figure limiter "$spec"
  workq rm "$queue"
done
for pair in default=exp:5ms:1s:2 controller=exp:5ms:16m40s:2,bucket:10/s:100 exp:1s:1s=exp:1s:1s:2 \
  jitter:0.5=exp:5ms:1s:2,jitter:0.5 maxwait:90s,controller=exp:5ms:16m40s:2,bucket:10/s:100,maxwait:1m30s; do
  workq create "$queue" --limiter "${pair%%=*}"
  expect_figure limiter "${pair#*=}"
  workq rm "$queue"
done
ok "limiters"

long=$(printf '%0200d' 0)
for name in '' . .. a/b /a "$(printf 'a\nb')" "$(printf 'a\033b')"; do
  expect_error 1 'invalid queue name' workq create "$name"
  expect_error 1 'invalid queue name' workq stats "$name"
  expect_error 1 'invalid queue name' workq rm "$name"
done
expect_error 1 'name too long: 201 bytes, at most 200' workq create "1$long"
expect_error 1 'name too long: 201 bytes, at most 200' workq add "1$long" key
ok "names that are refused"

for more in "$(printf '\303\244')" ' with blanks ' '*' "'\"" '-x'; do
  workq create "$queue-$more"
  workq add -- "$queue-$more" key
  [ "$(workq dump "$queue-$more" | grep -c 'key key$')" = 1 ] || fail "queue '$queue-$more' has not its key"
  workq rm "$queue-$more"
done
name=$queue-$(printf '%s' "$long" | cut -c "$((${#queue} + 2))-")
workq create "$name"
workq rm "$name"
ok "unusual names"

for command in add check dump kick pause resume shutdown stats unpause; do
  expect_error 1 "queue '$queue' does not exist.*workq create" workq "$command" "$queue" </dev/null
done
expect_error 1 "queue '$queue' does not exist" workq remove "$queue" key
expect_error 1 "queue '$queue' does not exist" workq run "$queue" -- true
expect_error 1 "queue '$queue' does not exist" workq watch "$queue" "$scratch"
ok "a queue that is not there"

# A limit on the size of files is an error, not a signal.
if (ulimit -f 8) 2>/dev/null; then
  expect_error 1 'ulimit -f' sh -c 'ulimit -f 8; exec workq create "$1"' sh "$queue"
  [ ! -e "$SHM$queue" ] || fail "a queue is left"
  ok "file size limit"
fi
