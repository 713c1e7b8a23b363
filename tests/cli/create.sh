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
expect_output '' workq create "$queue" --if-missing
expect_figure keys 1
expect_figure capacity 1048576
expect_output '' workq rm --force "$queue"
[ ! -e "$SHM$queue" ] || fail "rm has left the segment"
expect_error 1 "queue '$queue' does not exist.*workq ls" workq rm "$queue"
expect_output '' workq create "$queue" --if-missing
expect_output '' workq rm "$queue"
ok "already exists, --if-missing, rm"

# --if-missing is for the same queue: an option that was given is compared with what the queue has.
workq create "$queue" --capacity 500 --limiter exp:1s:1m --give-up drop --max-retries 3 --reap-interval 1s
expect_output '' workq create "$queue" --if-missing --limiter exp:1000ms:60s:2.0 --reap-interval 1000ms
expect_output '' workq create "$queue" --if-missing --capacity 500 --key-max 256 --handles 128 --mode 0600 --max-retries 3 \
  --max-crashes 5 --give-up drop
differs() { # differs TEXT OPTION...: the line names what differs, and nothing else
  wanted=$1
  shift
  expect_error 1 "queue '$queue' exists with other options: $wanted; leave them out" workq create "$queue" --if-missing "$@"
}
differs '--capacity is 500, not 7' --capacity 7
differs '--key-max is 256, not 255' --key-max 255 --capacity 500
differs '--handles is 128, not 9' --handles 9
differs '--mode is 0600, not 0660' --mode 0660
differs '--limiter is exp:1s:1m:2, not exp:5ms:1s:2' --limiter default
differs '--max-retries is 3, not 4' --max-retries 4
differs '--max-crashes is 5, not 0' --max-crashes 0
differs '--give-up is drop, not bury' --give-up bury
differs '--reap-interval is 1s, not 100ms' --reap-interval 100ms
differs '--no-metrics is no, not yes' --no-metrics
differs '--capacity is 500, not 7, --give-up is drop, not bury' --give-up bury --capacity 7
chmod 0660 "$SHM$queue"
differs '--mode is 0660, not 0600' --mode 0600
expect_error 1 'others may write to it' workq create "$queue" --if-missing
expect_error 1 'others may write to it' workq create "$queue" --if-missing --capacity 7
chmod 0600 "$SHM$queue"
expect_figure capacity 500
expect_output '' workq rm "$queue"
ok "--if-missing with other options"

# Where the user's shared memory goes when he logs out, create says so.
root=$scratch/root
mkdir -p "$root/run/systemd/seats" "$root/etc/systemd"
as_user="env WORKQ_TEST_ROOT=$root"
user=$(id -u)
if [ "$user" -eq 0 ] && command -v setpriv >/dev/null; then
  as_user="$as_user setpriv --reuid 12345 --clear-groups"
  user=12345
  chmod 0755 "$scratch" "$scratch/bin"
fi
# shellcheck disable=SC2086
as_user() { $as_user "$WORKQ" "$@"; }
if [ "$user" -le 999 ]; then
  echo "not tried here: a system user is not warned"
elif ! as_user --version >/dev/null 2>&1; then
  echo "not tried here: another user may not run the command"
else
  expect_error 0 "queue '$queue' will be removed when user .* has logged out \(RemoveIPC.*enable-linger" as_user create "$queue"
  expect_output '' as_user create "$queue" --if-missing
  as_user rm "$queue"
  expect_error 0 "RemoveIPC" as_user create "$queue" --if-missing
  as_user rm "$queue"
  printf '[Login]\nRemoveIPC=no\n' >"$root/etc/systemd/logind.conf"
  expect_output '' as_user create "$queue"
  as_user rm "$queue"
fi
expect_output '' env WORKQ_TEST_ROOT="$scratch/none" workq create "$queue"
workq rm "$queue"
ok "a warning of what goes at logout"

(
  umask 0777
  workq create "$queue" --capacity 100 --key-max 16 --handles 9 --mode 0660 --max-retries 3 --max-crashes 0 \
    --give-up drop --reap-interval 1s500ms
)
[ "$(stat -c %a "$SHM$queue")" = 660 ] || fail "the umask has changed the mode"
expect_error 1 'others may write.*--shared' workq stats "$queue"
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
  workq rm --force "$queue-$more"
done
name=$queue-$(printf '%s' "$long" | cut -c "$((${#queue} + 2))-")
workq create "$name"
workq rm "$name"
ok "unusual names"

for command in add check dump pause resume shutdown stats unpause; do
  expect_error 1 "queue '$queue' does not exist.*workq create" workq "$command" "$queue" </dev/null
done
expect_error 1 "queue '$queue' does not exist" workq remove "$queue" key
expect_error 1 "queue '$queue' does not exist" workq kick "$queue" --all
expect_error 1 "queue '$queue' does not exist" workq run "$queue" -- true
expect_error 1 "queue '$queue' does not exist" workq watch "$queue" "$scratch"
ok "a queue that is not there"

# A limit on the size of files is an error, not a signal.
if (ulimit -f 8) 2>/dev/null; then
  expect_error 1 'ulimit -f' sh -c 'ulimit -f 8; exec workq create "$1"' sh "$queue"
  [ ! -e "$SHM$queue" ] || fail "a queue is left"
  ok "file size limit"
fi
