#!/bin/sh
# serve: sockets in the file system, the one that systemd passes, a prefix before all paths, and a
# token to read.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2015,SC2100
. "$(dirname "$0")/serve_lib.sh"

socket=$scratch/socket
workq create "$queue"
workq add "$queue" key
unset LISTEN_PID LISTEN_FDS LISTEN_FDNAMES WORKQ_TOKEN

# ---- Wrong options

long=$(head -c 107 /dev/zero | tr '\0' p)
for path in '' / "$scratch/" "/$long"; do
  expect_error 2 "--listen takes an address such as .* not 'unix:$path'" workq serve --listen "unix:$path"
done
expect_error 1 'cannot listen at .*: its directory does not exist' workq serve --listen "unix:$scratch/none/socket"
expect_error 1 'the file exists and is no socket' workq serve --listen "unix:$scratch"
: >"$scratch/file"
expect_error 1 'the file exists and is no socket' workq serve --listen "unix:$scratch/file"
ln -s "$scratch/file" "$scratch/link"
expect_error 1 'the file exists and is no socket' workq serve --listen "unix:$scratch/link"
[ -f "$scratch/file" ] && [ -L "$scratch/link" ] || fail "a file that is no socket was removed"
for mode in '' 600x 0800 -600 1600 0000 0400 0066 '0600 ' 99999999999999999999999; do
  expect_error 2 "--socket-mode takes an octal number" workq serve --listen "unix:$socket" --socket-mode "$mode"
done
expect_error 2 "--socket-mode requires --listen unix:PATH" workq serve --socket-mode 0660
expect_error 2 "--socket-mode requires --listen unix:PATH" workq serve --listen 127.0.0.1:0 --socket-mode 0660
long=$(head -c 201 /dev/zero | tr '\0' p)
for prefix in '' / // workq workq/ /a//b /a/../b /. /.. /a/. '/a b' '/a?b' '/a#b' '/a%20b' '/a"b' '/<b>' '//host/a' "/$long" \
  'http://host/a' '/a\b'; do
  expect_error 2 "--prefix takes a path such as /workq" workq serve --prefix "$prefix"
done
for time in '' 0 -1s 1 x 5parsecs; do
  expect_error 2 "--stuck-after takes a duration above 0" workq serve --stuck-after "$time"
done
printf 'reader-reader-reader\n' >"$scratch/reader"
printf '%s\n' "$token" >"$scratch/token"
chmod 600 "$scratch/reader" "$scratch/token"
: >"$scratch/empty"
expect_error 2 '16 to 1024 printable characters' workq serve --read-token-file "$scratch/empty"
expect_error 2 '16 to 1024 printable characters' workq serve --read-token-file /dev/zero
expect_error 1 'cannot read the token file' workq serve --read-token-file "$scratch/none"
expect_error 1 'cannot read the token file' workq serve --read-token-file "$scratch"
expect_error 2 'the token to read must not be the one for actions' \
  workq serve --allow-actions --token-file "$scratch/token" --read-token-file "$scratch/token"
[ ! -e "$socket" ] || fail "a server that did not start left its socket"
ok "wrong usage"

# ---- A socket in the file system

mode_is() { [ "$(stat -c %a "$1")" = "$2" ] || fail "the mode of $1 is $(stat -c %a "$1"), not $2"; }
serve_at "unix:$socket"
mode_is "$socket" 600
[ ! -s "$scratch/said" ] || fail "it says something of a socket that only its user can reach"
asked 200 /healthz
asked 200 "/api/queues/$queue"
for host in localhost:80 127.0.0.1 '[::1]'; do asked 200 /healthz -H "Host: $host"; done
for host in evil.example 192.0.2.1 unix unix:0; do refused 403 'does not name this server' /healthz -H "Host: $host"; done
expect_error 1 'another server listens there' workq serve --listen "unix:$socket"
asked 200 /healthz
stopped
[ ! -e "$socket" ] || fail "the socket stays"
serve_at "unix:$socket" --socket-mode 0660 --allow-host queues.example
mode_is "$socket" 660
asked 200 /healthz -H "Host: queues.example"
# A killed server's socket is replaced, and nothing else is left.
kill -KILL "$server"
ended "$server" 2>/dev/null
[ -S "$socket" ] || fail "there is nothing to replace"
started sh -c 'umask 0 && exec "$@"' sh workq serve --listen "unix:$socket" --socket-mode 0600
mode_is "$socket" 600
asked 200 /healthz
[ "$(find "$scratch" -name 'socket*' | wc -l)" = 1 ] || fail "more than the socket: $(ls "$scratch")"
stopped
[ ! -e "$socket" ] || fail "the socket stays"
# At the end it removes no socket but its own.
serve_at "unix:$socket"
first=$server
mv "$socket" "$socket-away"
serve_at "unix:$socket"
kill -TERM "$first"
ended "$first"
asked 200 /healthz
stopped
rm -f "$socket-away"
ok "a socket in the file system"

# Of servers that start together over a socket that is left one goes on.
for round in 1 2 3 4 5 6 7 8; do
  serve_at "unix:$socket"
  kill -KILL "$server"
  ended "$server" 2>/dev/null
  servers=
  for number in 1 2 3 4; do
    workq serve --listen "unix:$socket" >"$scratch/listening-$number" 2>"$scratch/said-$number" &
    later $!
    servers="$servers $!"
  done
  for number in 1 2 3 4; do eventually grep -Eq 'listening|cannot listen' "$scratch/listening-$number" "$scratch/said-$number"; done
  up=$(cat "$scratch"/listening-? | grep -c listening || :)
  [ "$up" = 1 ] || fail "$up servers listen at one path in round $round"
  asked 200 /healthz
  # shellcheck disable=SC2086
  kill $servers 2>/dev/null || :
  for one in $servers; do ended "$one"; done
  rm -f "$socket" "$scratch"/listening-? "$scratch"/said-?
done
# A path without a directory.
(cd "$scratch" && exec workq serve --listen unix:socket >"$scratch/listening" 2>"$scratch/said") &
server=$!
later $server
eventually grep -qx 'listening on unix:socket' "$scratch/listening"
asked 200 /healthz
stopped
started workq serve --listen "unix:$socket" --prefix /below
grep -Fqx "listening on unix:$socket, paths begin with /below/" "$scratch/listening" || fail "it says: $(cat "$scratch/listening")"
asked 200 /below/healthz
stopped
ok "servers that start together"

# ---- The socket that systemd passes

pass=$WORKQ_BUILDDIR/tests/cli/pass_socket
# passed KIND ARGUMENT...: starts a server with such a socket.
passed() {
  kind=$1
  shift
  : >"$scratch/listening"
  "$pass" "$kind" workq serve "$@" >"$scratch/listening" 2>"$scratch/said" &
  server=$!
  later $server
  eventually grep -Eq '^listening' "$scratch/listening"
}
reach=
passed ip
base=http://127.0.0.1:$(sed -n 1p "$scratch/listening")
grep -Fqx "listening on $base/" "$scratch/listening" || fail "it says: $(cat "$scratch/listening")"
asked 200 /healthz
stopped
passed "$socket"
reach="--unix-socket $socket"
base=http://localhost
asked 200 "/api/queues/$queue"
refused 403 'does not name this server' /healthz -H 'Host: evil.example'
stopped
[ -S "$socket" ] || fail "a socket that is systemd's was removed"
rm "$socket"
reach=
: >"$scratch/listening"
"$pass" ip6 workq serve >"$scratch/listening" 2>"$scratch/said" &
server=$!
later $server
eventually grep -Eq '^listening|pass_socket' "$scratch/listening" "$scratch/said"
if grep -q pass_socket "$scratch/said"; then
  echo "not tried: there is no IPv6 here"
else
  base=http://127.0.0.1:$(sed -n 1p "$scratch/listening")
  asked 200 /healthz
  asked 200 /healthz -H 'Host: 192.0.2.7'
  grep -q 'anyone who can reach .* can read' "$scratch/said" || fail "no warning"
  stopped
fi
# refuses STATUS PATTERN KIND ARGUMENT...: a server with such a socket does not start.
refuses() {
  wanted=$1 pattern=$2 kind=$3
  shift 3
  run_it "$pass" "$kind" workq serve "$@"
  [ "$status" = "$wanted" ] || fail "status $status, not $wanted, of a socket of kind $kind"
  [ "$(grep -c '^workq: ' "$scratch/err")" = 1 ] || fail "not one line: $kind"
  grep -Eq -e "$pattern" "$scratch/err" || fail "the line does not say '$pattern': $kind"
}
refuses 1 'descriptor 3 does not listen' connection
refuses 1 'descriptor 3 is no stream socket' datagram
refuses 1 'descriptor 3 is no socket' file
refuses 1 'descriptor 3 is no socket' none
refuses 1 'more than one is passed' two
refuses 1 'LISTEN_FDS is no number' nonsense
refuses 2 'leave --listen out' ip --listen 127.0.0.1:0
refuses 2 'leave --listen out' ip --listen "unix:$socket"
refuses 2 '--socket-mode requires --listen unix' ip --socket-mode 0660
# What is for another process is left alone.
passed other --listen 127.0.0.1:0
base=http://127.0.0.1:$(sed -n 's,^listening on http://127.0.0.1:\([0-9]*\)/$,\1,p' "$scratch/listening")
asked 200 /healthz
stopped
ok "the socket that systemd passes"

# ---- A prefix

serve --prefix /tools/work-q --allow-actions --token-file "$scratch/token"
grep -Fqx "listening on $base/tools/work-q/" "$scratch/listening" || fail "it says: $(cat "$scratch/listening")"
below=/tools/work-q
for at in / "$below"; do
  asked 302 "$at"
  [ "$(header Location)" = "$below/" ] || fail "$at leads to $(header Location)"
  refused 405 'method not allowed' "$at" -X POST
done
asked 200 "$below/"
[ "$(header Content-Type)" = 'text/html; charset=utf-8' ] || fail "no page"
grep -Eo '(src|href)="[^"#]+"' "$scratch/body" | sed 's/.*"\(.*\)"/\1/' | sort -u >"$scratch/files"
has_lines "$scratch/files" 3 || fail "the page names no files"
while read -r at; do
  case $at in /* | *:*) fail "$at leads out of the prefix" ;; esac
  asked 200 "$below/$at"
done <"$scratch/files"
! grep -En "(from|fetch\(|get\(|post\()[ \"'\`]*/" "$WORKQ_SRCDIR"/utils/serve/page/*.js || fail "a path of the page leads out of the prefix"
for at in /healthz /metrics /api/queues "/api/queues/$queue" "/api/queues/$queue/items"; do
  asked 200 "$below$at"
  refused 404 'not found' "$at"
done
for at in /tools /tools/ /tools/work-qq /tools/work-qq/ /tools/work-q-/healthz /tools/work-qhealthz //tools/work-q/ /TOOLS/work-q/ \
  "$below//" "$below/../healthz" "/%74ools/work-q/"; do
  refused 404 'not found' "$at"
done
posted 200 "$below/api/queues/$queue/pause" '{}' -H "Origin: $base"
posted 200 "$below/api/queues/$queue/unpause" '{}'
posted 404 "/api/queues/$queue/pause" '{}'
refused 403 'does not name this server' / -H 'Host: evil.example'
refused 403 'does not name this server' "$below" -H 'Host: evil.example'
stopped
serve --prefix /one/
asked 200 /one/healthz
stopped
ok "a prefix"

# ---- A token to read

reader=reader-reader-reader
serve --read-token-file "$scratch/reader"
[ ! -s "$scratch/said" ] || fail "it says: $(cat "$scratch/said")"
for at in /api/queues "/api/queues/$queue" "/api/queues/$queue-none" "/api/queues/$queue/items" /metrics /nothing; do
  for authorization in '' 'Bearer' 'Bearer ' "Basic $reader" "$reader" "Bearer ${reader}x" "Bearer ${reader%?}" "Bearer $token" \
    "Bearer $reader "x; do
    refused 401 'missing or invalid token' "$at" -H "Authorization: $authorization"
    [ "$(header WWW-Authenticate)" = 'Bearer realm="workq"' ] || fail "no challenge"
  done
  refused 401 'missing or invalid token' "$at?token=$reader"
  ! grep -q "$queue" "$scratch/body" || fail "a refusal names the queue"
done
refused 401 'missing or invalid token' "/api/queues/$queue/kick" -X POST
for at in / /app.js /healthz; do
  asked 200 "$at"
  ! grep -q "$queue" "$scratch/body" || fail "$at tells of a queue"
done
for at in /api/queues "/api/queues/$queue" "/api/queues/$queue/items" /metrics; do
  asked 200 "$at" -H "Authorization: Bearer $reader"
  grep -q "$queue\|\"key\":\"key\"" "$scratch/body" || fail "$at does not tell of the queue"
done
refused 404 'no such queue' "/api/queues/$queue-none" -H "Authorization: bearer $reader"
refused 403 '--allow-actions' "/api/queues/$queue/pause" -X POST -H "Authorization: Bearer $reader" \
  -H 'Content-Type: application/json' --data '{}'
refused 403 'does not name this server' /api/queues -H "Authorization: Bearer $reader" -H 'Host: evil.example'
stopped

serve --read-token-file "$scratch/reader" --allow-actions --token-file "$scratch/token"
! tr '\0' ' ' <"/proc/$server/cmdline" | grep -q "$reader" || fail "ps shows the token"
asked 200 /api/queues -H "Authorization: Bearer $reader"
asked 200 /api/queues -H "Authorization: Bearer $token"
refused 401 'does not permit actions' "/api/queues/$queue/pause" -X POST -H "Authorization: Bearer $reader" \
  -H 'Content-Type: application/json' --data '{}'
expect_figure paused no
posted 200 "/api/queues/$queue/pause" '{}'
expect_figure paused yes
! grep -q "$reader\|$token" "$scratch/said" || fail "a token is said"
stopped
chmod 644 "$scratch/reader"
serve --read-token-file "$scratch/reader"
grep -q "other users may use the token file '$scratch/reader'" "$scratch/said" || fail "no warning of a token that all can read"
stopped
ok "a token to read"
