#!/bin/sh
# serve: each path, each refusal, and who may do what, asked with curl.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

if workq serve --listen 127.0.0.1:nowhere 2>&1 | grep -q 'without libmicrohttpd'; then
  echo "SKIPPED: this workq was built without its server"
  exit 77
fi
if ! command -v curl >/dev/null; then
  echo "SKIPPED: there is no curl to ask with"
  exit 77
fi
token=correct-horse-battery
json() { "$WORKQ_BUILDDIR/tests/cli/json_lines" "$@" <"$scratch/body"; }

# serve ARGUMENT...: starts one at a port that is free; sets $server and $base.
serve() {
  : >"$scratch/listening"
  workq serve --listen 127.0.0.1:0 "$@" >"$scratch/listening" 2>"$scratch/said" &
  server=$!
  later $server
  eventually has_lines "$scratch/listening" 1
  base=$(sed -n 's,^listening on \(http://127.0.0.1:[0-9]*\)/$,\1,p' "$scratch/listening")
  [ -n "$base" ] || fail "it does not say where it listens: $(cat "$scratch/listening")"
}

# stopped: it ends at a SIGTERM as it should.
stopped() {
  kill -TERM "$server"
  ended "$server"
  [ "$status" = 0 ] || fail "SIGTERM: status $status"
}

# asked STATUS PATH [CURL-ARGUMENT...]: the answer has that status; its body is in $scratch/body, its head in $scratch/head.
asked() {
  wanted=$1 path=$2
  shift 2
  code=$(curl -sS --path-as-is -o "$scratch/body" -D "$scratch/head" -w '%{http_code}' "$@" "$base$path") || fail "curl $path"
  [ "$code" = "$wanted" ] || fail "status $code, not $wanted, of $path $*: $(head -c 300 "$scratch/body")"
}

# refused STATUS PATTERN PATH [CURL-ARGUMENT...]: it is refused with a reason, in JSON.
refused() {
  status=$1 pattern=$2
  shift 2
  asked "$status" "$@"
  json error | grep -Eq -e "$pattern" || fail "the reason is not '$pattern': $(cat "$scratch/body")"
}

# posted STATUS PATH BODY [CURL-ARGUMENT...]: with the token.
posted() {
  status=$1 path=$2 body=$3
  shift 3
  asked "$status" "$path" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' --data-binary "$body" "$@"
}

header() { sed -n "s/^$1: \(.*\)\r\$/\1/Ip" "$scratch/head"; }

# ---- Starting

serve_fails() { expect_error "$@"; }
for address in '' 127.0.0.1 9180 :9180 '127.0.0.1:' 127.0.0.1:65536 127.0.0.1:-1 '127.0.0.1:80x' 1.2.3:80 ::1:9180 '[::1]' \
  '[::1' '[127.0.0.1]:80' '[]:80' host.example:80 '127.0.0.1:80 '; do
  serve_fails 2 "--listen takes an address such as" workq serve --listen "$address"
done
serve_fails 1 'does not have that address' workq serve --listen 192.0.2.1:0
unset WORKQ_TOKEN
serve_fails 2 'requires a token' workq serve --allow-actions
for bad in '' short 123456789012345 'with a space in its midst' "$(printf 'tab\tin-the-middle-of-it')" "$(printf '\303\244\303\266\303\274-not-ascii')"; do
  (
    export WORKQ_TOKEN="$bad"
    serve_fails 2 '16 to 1024 printable characters' workq serve --allow-actions
  )
  printf '%s\n' "$bad" >"$scratch/token"
  chmod 600 "$scratch/token"
  serve_fails 2 '16 to 1024 printable characters' workq serve --allow-actions --token-file "$scratch/token"
done
: >"$scratch/token"
serve_fails 2 '16 to 1024' workq serve --allow-actions --token-file "$scratch/token"
serve_fails 1 'cannot read the token file' workq serve --allow-actions --token-file "$scratch/no-such-file"
serve_fails 1 'cannot read the token file' workq serve --allow-actions --token-file "$scratch"
serve_fails 2 'requires --allow-actions' workq serve --token-file "$scratch/token"
serve_fails 2 'a name without a port' workq serve --allow-host 'host:80'
serve_fails 2 'a name without a port' workq serve --allow-host ''
hosts=$(seq 1 17 | sed 's/^/--allow-host h/')
# shellcheck disable=SC2086
serve_fails 2 'at most 16 times' workq serve $hosts
ok "wrong usage"

serve
serve_fails 1 'cannot listen at 127.0.0.1:[0-9]*: address already in use' workq serve --listen "${base#http://}"
[ ! -s "$scratch/said" ] || fail "it says something at a loopback address"
kill -INT $server
ended $server
[ "$status" = 0 ] || fail "SIGINT: status $status"
for address in '[::1]:0' '[::]:0' 0.0.0.0:0; do
  rm -f "$scratch/out" "$scratch/err" # not to be read before it has begun
  workq serve --listen "$address" >"$scratch/out" 2>"$scratch/err" &
  server=$!
  later $server
  eventually grep -sq 'listening\|cannot' "$scratch/out" "$scratch/err"
  if grep -q 'does not have the address\|not supported' "$scratch/err"; then
    echo "not tried: there is no IPv6 here"
    ended $server
    continue
  fi
  grep -Fq "listening on http://${address%:0}:" "$scratch/out" || fail "it does not say that it listens at $address"
  port=$(sed 's,.*:\([0-9]*\)/$,\1,' "$scratch/out")
  [ "$(curl -s "http://localhost:$port/healthz")" = ok ] || [ "$(curl -s "http://[::1]:$port/healthz")" = ok ] ||
    fail "no answer at $address"
  case $address in
  '[::1]:0') [ ! -s "$scratch/err" ] || fail "a warning for ::1" ;;
  *) [ "$(grep -c 'anyone who can reach .* can read' "$scratch/err")" = 1 ] || fail "no warning for $address" ;;
  esac
  kill $server
  ended $server
done
ok "it listens, and ends"

# ---- Reading

odd=$(printf '%s-<b>"\303\244%%\377' "$queue")
odd_path="$queue-%3Cb%3E%22%C3%A4%25%FF"
workq create "$queue" --max-retries 1 --limiter none
workq create "$odd"
printf 'apple\0Apple pie\0<img src=x>\0new\nline\0\033[31m\0\377\376\0bad\0worse' | workq add "$queue" -0
workq run "$queue" -q --until-empty -- sh -c 'case $0 in bad | worse) exit 100 ;; esac'
printf 'apple\0Apple pie\0<img src=x>\0new\nline\0\033[31m\0\377\376' | workq add "$queue" -0
workq add "$queue" --priority 7 urgent
workq add "$queue" --after 1h later
echo rubbish >"$SHM$queue-rubbish"
mkdir "$SHM$queue-directory"
serve

asked 200 /healthz
[ "$(cat "$scratch/body")" = ok ] || fail "healthz"
for pair in 'X-Content-Type-Options=nosniff' 'Referrer-Policy=no-referrer' 'Cache-Control=no-store' 'X-Frame-Options=DENY' \
  'Cross-Origin-Resource-Policy=same-origin'; do
  [ "$(header "${pair%%=*}")" = "${pair#*=}" ] || fail "no header $pair"
done
for path in / /app.js /api/queues /metrics /nothing; do
  curl -sS -o "$scratch/body" -D "$scratch/head" "$base$path"
  policy=$(header Content-Security-Policy)
  case $policy in
  *unsafe* | *http* | *\** | *data:*) fail "the policy allows too much: $policy" ;;
  "default-src 'none'; "*"frame-ancestors 'none'") ;;
  *) fail "there is no strict policy for $path" ;;
  esac
  [ -z "$(header Access-Control-Allow-Origin)" ] || fail "other pages may read $path"
done
ok "headers"

asked 200 /
[ "$(header Content-Type)" = 'text/html; charset=utf-8' ] || fail "the page's type"
grep -Eo '(src|href)="/[a-z]+\.[a-z]+"' "$scratch/body" | sed 's/.*"\(.*\)"/\1/' | sort -u >"$scratch/files"
has_lines "$scratch/files" 3 || fail "the page names no files"
! grep -Eiq ' style=| on[a-z]+=|<script>|javascript:|https?://' "$scratch/body" || fail "something inline, or of another host"
while read -r path; do
  asked 200 "$path"
  cmp -s "$scratch/body" "$WORKQ_SRCDIR/utils/serve/page$path" || fail "$path is not what its source is"
done <"$scratch/files"
! grep -q 'innerHTML\|outerHTML\|insertAdjacentHTML\|document.write\|eval(' "$WORKQ_SRCDIR"/utils/serve/page/*.js ||
  fail "the page makes HTML out of text"
ok "the page and its files"

asked 200 /metrics
[ "$(header Content-Type)" = 'text/plain; version=0.0.4; charset=utf-8' ] || fail "the metrics' type"
grep -Fxq "workq_buried{name=\"$queue\"} 2" "$scratch/body" || fail "no buried keys in the metrics"
grep -Fq 'workq_ready{name="'"$queue"'-<b>\"ä%\\xff"} 0' "$scratch/body" || fail "no metrics of the odd queue"
[ "$(grep -c '^# TYPE workqueue_depth ' "$scratch/body")" = 1 ] || fail "not one exposition"
if command -v promtool >/dev/null; then
  LC_ALL=C.UTF-8 promtool check metrics <"$scratch/body" >"$scratch/out" 2>&1 || fail "promtool complains"
fi
ok "metrics"

asked 200 /api/queues
[ "$(header Content-Type)" = application/json ] || fail "the type of JSON"
[ "$(json version actions cut)" = "\"$(workq --version | cut -d ' ' -f 2)\"	false	false" ] || fail "about the server"
grep -Fq "{\"type\":\"queue\",\"name\":\"$queue-rubbish\",\"path\":\"$queue-rubbish\",\"error\":\"damaged, or not a queue\"}" \
  "$scratch/body" || fail "a file that is no queue is not listed with its error"
grep -Fq "\"name\":\"$queue-directory\",\"path\":\"$queue-directory\",\"error\":" "$scratch/body" || fail "a directory"
grep -Fq "\"path\":\"$odd_path\"" "$scratch/body" || fail "no path of the odd queue"
# One with no history yet has none; the others have what the page draws.
eventually sh -c "curl -s $base/api/queues/$queue | grep -q '\"rates\":'"

asked 200 "/api/queues/$queue"
[ "$(json type name ready buried delayed shut_down paused)" = "\"queue\"	\"$queue\"	7	2	1	false	false" ] || fail "figures"
[ "$(json depth)" = '[{"priority": 7, "keys": 1}, {"priority": 0, "keys": 6}]' ] || fail "depth: $(json depth)"
json latency | grep -Eq '"always": \{"queue": \{"count": 8, "mean_ns": [0-9]+, "p50_ns": [0-9]+' || fail "latency"
asked 200 "/api/queues/$odd_path"
[ "$(json name_hex ready)" != "-	0" ] && [ "$(json name)" = - ] || fail "the odd queue's name"
asked 200 "/api/queues/$queue?since=0"
json history | grep -Eq '"interval_ns": 1000000000, "kept": 600, "first": 0, "end": [1-9]' || fail "history: $(json history)"
# Seconds that the machine was too busy for are null.
has_history() {
  curl -s "$base/api/queues/$queue?since=$1" >"$scratch/body"
  json history | grep -Eq "\"first\": $1, .*\"ready\": \[(null, )*7[],]"
}
eventually has_history 2
# A queue that was made again under the same name begins with no history.
shows_ready() {
  curl -s "$base/api/queues/$queue-again?since=0" >"$scratch/body"
  json history | grep -Eq "\"ready\": \[((null|[0-9]+), )*$1[],]"
}
workq create "$queue-again"
workq add "$queue-again" a b c d e
eventually shows_ready 5
workq rm "$queue-again" && workq create "$queue-again"
eventually shows_ready 0
! shows_ready 5 || fail "the history of another queue: $(json history)"
workq rm "$queue-again"
ok "queues"

# found N [ARGUMENTS]: so many items.
found() {
  asked 200 "/api/queues/$queue/items?$2"
  [ "$(grep -o '"type":"item"' "$scratch/body" | wc -l)" -eq "$1" ] || fail "not $1 items of $2: $(cat "$scratch/body")"
}
found 10 ''
[ "$(json scanned keys cut)" = '10	10	null' ] || fail "what it says of the search"
found 2 state=buried
found 7 state=ready
found 1 state=delayed
found 0 state=processing
found 10 'state=all&search='
found 2 search=APPLE
found 1 'search=apple+P'
found 1 search=%3Cimg
found 1 search=%0A
found 1 search=%FF%fe
found 0 search=%00
found 1 'search=w&state=buried'
found 3 limit=3
[ "$(json cut)" = '"limit"' ] || fail "a cut is not said"
found 10 limit=10
[ "$(json cut)" = null ] || fail "a cut is said where there is none"
grep -Fq '"key_hex":"fffe"' "$scratch/body" || fail "a key that is no text"
grep -Fq '"key":"\u001B[31m"' "$scratch/body" || fail "a key with a control character"
ok "items"

for query in state=odd state=READY limit=0 limit=1001 limit=x limit= limit=-1 'search=%' search=%4 search=%zz search=a%2 offset=3; do
  refused 400 'state|limit|arguments|percent' "/api/queues/$queue/items?$query"
done
refused 400 'since' "/api/queues/$queue?since=x"
refused 400 'since' "/api/queues/$queue?since=-1"
refused 400 'unknown argument' "/api/queues/$queue?until=1"
refused 404 'no such queue' "/api/queues/$queue-none"
refused 404 'no such queue' "/api/queues/$queue-none/items"
refused 503 'damaged' "/api/queues/$queue-rubbish"
refused 503 'damaged' "/api/queues/$queue-rubbish/items"
for name in %00 "$queue%00" %zz "$queue%" %2 '' '..' '..%2F..%2Fetc' "a%0Ab"; do refused 400 '' "/api/queues/$name"; done
for path in /nothing /api /api/ /api/queue "/api/queues/$queue/" "/api/queues/$queue/other" "/api/queues/$queue/items/" /index.html \
  /../etc/passwd //; do
  refused 404 '^"not found' "$path"
done
long=$(head -c 20000 /dev/zero | tr '\0' a)
code=$(curl -s -o /dev/null -w '%{http_code}' "$base/api/queues/$long") || :
case $code in 4??) ;; *) fail "a long URL: $code" ;; esac
asked 400 "/api/queues/$(echo "$long" | cut -c 1-300)"
for method in POST PUT DELETE OPTIONS PATCH; do
  for path in / /metrics /healthz /api/queues "/api/queues/$queue" "/api/queues/$queue/items"; do
    refused 405 'method not allowed' "$path" -X $method
    [ "$(header Allow)" = 'GET, HEAD' ] || fail "what is allowed"
  done
done
refused 405 'method not allowed' "/api/queues/$queue/kick"
[ "$(header Allow)" = POST ] || fail "what is allowed for kick"
curl -sSI "$base/api/queues" >"$scratch/head"
grep -q '^HTTP/1.1 200' "$scratch/head" || fail HEAD
ok "wrong paths, methods and arguments"

for host in localhost LOCALHOST 'localhost:80' 127.0.0.1 '127.0.0.1:1' 127.1.2.3 '[::1]' '[::1]:9' localhost:65535; do asked 200 /healthz -H "Host: $host"; done
for host in evil.example 'evil.example:80' localhost.evil.example 192.0.2.1 127.0.0.1.evil.example '[::2]'; do
  refused 403 'does not name this server' /api/queues -H "Host${host:+: }${host:-;}"
  refused 403 'does not name this server' / -H "Host${host:+: }${host:-;}"
done
refused 403 'does not name this server' /healthz --http1.0 -H 'Host:'
for host in '[::1' '' 'evil@localhost' 'localhost@evil' 'user:word@localhost' 'localhost:' 'localhost:x' 'localhost:80x' 'localhost:80:80' \
  'localhost:-1' 'localhost:+1' 'localhost:65536' 'localhost:99999999999999999999' ':80' 'localhost 80' 'localhost, evil.example' \
  'localhost,localhost' 'localhost/' 'localhost:80/x' 'http://localhost' '[::1]x' '[::1]:' '[::1]:x' '[::1]80' '[::1%lo]' '[localhost]' \
  '[]' '::1' 'localhost%00' '127.0.0.1#' '127.0.0.1?x'; do
  refused 400 'invalid Host header' /healthz -H "Host${host:+: }${host:-;}"
done
refused 400 'duplicate header' /healthz -H 'Origin: http://localhost' -H 'Origin: http://localhost'
refused 400 'duplicate header' /healthz -H 'Authorization: x' -H 'Authorization: x'

# said LINE...: sends the lines of a request as they are; the first line of the answer is in $scratch/answer, the whole in $scratch/raw.
said() {
  { printf '%s\r\n' "$@" 'Connection: close' ''; } | curl -sS --max-time 20 "telnet://${base#http://}" >"$scratch/raw" || true
  head -n 1 "$scratch/raw" | tr -d '\r' >"$scratch/answer"
}
says() {
  wanted=$1
  shift
  said "$@"
  grep -q "^HTTP/1.1 $wanted" "$scratch/answer" || fail "not $wanted but '$(cat "$scratch/answer")' to: $*"
}
says 200 'GET /healthz HTTP/1.1' 'Host: localhost'
says 200 'GET http://localhost/healthz HTTP/1.1' 'Host: localhost'
says 200 'GET HTTP://LOCALHOST:80/healthz HTTP/1.1' 'Host: localhost:80'
says 200 'GET http://localhost HTTP/1.1' 'Host: localhost'
for target in http://evil.example/healthz http://localhost:81/healthz https://localhost/healthz http:///healthz http://user@localhost/healthz \
  http://localhost.evil/healthz localhost/healthz localhost '*' healthz; do
  says 400 "GET $target HTTP/1.1" 'Host: localhost'
done
says 400 'GET http://evil.example/healthz HTTP/1.1' 'Host: localhost' 'Host: evil.example'
says 403 'GET http://evil.example/healthz HTTP/1.1' 'Host: evil.example'
says 403 'GET /healthz HTTP/1.1'
for other in localhost evil.example ''; do
  says 400 'GET /healthz HTTP/1.1' 'Host: localhost' "Host: $other"
  says 400 'GET /healthz HTTP/1.1' "Host: $other" 'hOST: localhost'
done
says 400 'GET /healthz HTTP/1.1' 'Host: localhost' 'Content-Length: 0' 'Content-Length: 5'
asked 200 /healthz
ok "names that lead here and are not ours"

refused 403 '--allow-actions' "/api/queues/$queue/kick" -X POST -H "Authorization: Bearer $token" \
  -H 'Content-Type: application/json' --data '{"all":true}'
expect_figure buried 2
stopped

# ---- Acting

# A token in the environment is not on show, and neither is one in a file.
WORKQ_TOKEN=$token serve --allow-actions --allow-host queues.example --allow-host Other.example
! tr '\0' ' ' <"/proc/$server/cmdline" | grep -q "$token" || fail "ps shows the token"
asked 200 /healthz -H 'Host: queues.example:9180'
asked 200 /healthz -H 'Host: other.example'
refused 403 'name this server' /healthz -H 'Host: example'
asked 200 /api/queues
[ "$(json actions)" = true ] || fail "it does not say that actions are allowed"

kick="/api/queues/$queue/kick"
for authorization in '' 'Bearer' 'Bearer ' "Basic $token" "$token" "Bearer ${token}x" "Bearer ${token%?}" \
  'Bearer wrong-horse-battery!' "Bearer $token "x; do
  refused 401 'missing or invalid token' "$kick" -X POST -H "Authorization: $authorization" \
    -H 'Content-Type: application/json' --data '{"all":true}'
  [ "$(header WWW-Authenticate)" = 'Bearer realm="workq"' ] || fail "no challenge"
done
posted 403 "$kick" '{"all":true}' -H 'Origin: http://evil.example'
posted 403 "$kick" '{"all":true}' -H 'Origin: null'
posted 403 "$kick" '{"all":true}' -H "Origin: http://localhost:1"
posted 403 "$kick" '{"all":true}' -H 'Sec-Fetch-Site: cross-site'
posted 403 "$kick" '{"all":true}' -H 'Sec-Fetch-Site: same-site'
posted 403 "$kick" '{"all":true}' -H 'Host: evil.example'
asked 415 "$kick" -X POST -H "Authorization: Bearer $token" --data '{"all":true}'
asked 415 "$kick" -X POST -H "Authorization: Bearer $token" -H 'Content-Type: application/jsonp' --data '{"all":true}'
asked 415 "$kick" -X POST -H "Authorization: Bearer $token" -H 'Content-Type;' --data '{"all":true}'
for body in '' '{' 'null' '[]' '"all"' '{"all":true} x' '{"all":true,"all":true}' '{"key":"\ud800"}'; do
  posted 400 "$kick" "$body"
  json error | grep -q 'not a JSON object' || fail "malformed: $body"
done
for body in '{}' '{"all":false}' '{"all":1}' '{"key":1}' '{"key":"a","all":true}' '{"key_hex":"1"}' '{"key_hex":"xx"}' '{"name":"a"}'; do
  posted 400 "$kick" "$body"
  json error | grep -q 'the body must be' || fail "wrong: $body"
done
posted 400 "/api/queues/$queue/remove" '{"all":true}'
posted 400 "/api/queues/$queue/pause" '{"key":"a"}'
posted 400 "$kick" '{"key":""}'
head -c 300 /dev/zero | tr '\0' k | sed 's/.*/{"key":"&"}/' >"$scratch/long"
posted 400 "$kick" "@$scratch/long"
head -c 300000 /dev/zero | tr '\0' ' ' >"$scratch/long"
posted 413 "$kick" "@$scratch/long"
! curl -s -o /dev/null -H 'Transfer-Encoding: chunked' -H "Authorization: Bearer $token" --data-binary "@$scratch/long" "$base$kick" ||
  fail "a long body without a length is taken"
posted 404 "/api/queues/$queue-none/kick" '{"all":true}'
posted 503 "/api/queues/$queue-rubbish/pause" '{}'
posted 404 "/api/queues/$queue/destroy" '{}'
expect_figure buried 2
expect_figure paused no
ok "refusals change nothing"

# did CHANGED ACTION BODY
did() {
  posted 200 "/api/queues/$queue/$2" "$3" -H "Origin: $base" -H 'Sec-Fetch-Site: same-origin'
  [ "$(json changed)" = "$1" ] || fail "$2 $3 changed $(json changed), not $1"
}
did 1 kick '{"key":"bad"}'
did 0 kick '{"key":"bad"}'
did 1 kick '{"all":true}'
expect_figure buried 0
did 1 remove '{"key":"new\nline"}'
did 1 remove '{"key_hex":"FFfe"}'
did 0 remove '{"key_hex":"fffe"}'
did 0 remove '{"key":"with\u0000nul"}'
expect_figure ready 7
did 1 pause '{}'
expect_figure paused yes
did 0 pause '{}'
did 1 unpause '{}'
did 0 shutdown '{}'
expect_figure shut_down yes
did 1 resume '{}'
expect_figure shut_down no
asked 200 "/api/queues/$odd_path/pause" -H "Authorization: Bearer $token" --data '{}' -H 'Content-Type: application/json; charset=utf-8' -H 'Host: queues.example' \
  -H 'Origin: https://queues.example'
[ "$(figure paused "$odd")" = yes ] || fail "a queue with an odd name, by another name of the server"
grep -q "^workq: serve: kick of queue '$queue': 1\$" "$scratch/said" || fail "what was done is not said"
! grep -q "$token" "$scratch/said" || fail "the token is said"
ok "actions"

# A holder of the queue's lock holds up no look, and an action only for a while.
mkfifo "$scratch/hold"
"$WORKQ_BUILDDIR/tests/cli/hold_lock" "$queue" <"$scratch/hold" >"$scratch/held" &
holder=$!
later $holder
exec 3>"$scratch/hold"
eventually has_lines "$scratch/held" 1
asked 200 "/api/queues/$queue"
asked 200 "/api/queues/$queue/items"
posted 503 "$kick" '{"all":true}'
json error | grep -q "waiting for the queue's lock" || fail "the reason is not said"
exec 3>&-
ended $holder
stopped
printf '%s\r\nsecond line\n' "$token" >"$scratch/token"
chmod 644 "$scratch/token"
serve --allow-actions --token-file "$scratch/token"
did 0 kick '{"all":true}'
grep -q "other users may use the token file" "$scratch/said" || fail "no warning of a token that all can read"
ok "locks, and a token in a file"

# ---- What happens to queues

workq rm "$queue"
refused 404 'no such queue' "/api/queues/$queue"
workq create "$queue"
chmod 0666 "$SHM$queue" # its owner needs no --shared for a mode that it was made with
asked 403 "/api/queues/$queue"
json error | grep -q 'belongs to another user, or others may write to it' || fail "a queue that others may write to"
asked 200 /api/queues
grep -Fq "\"path\":\"$queue\",\"error\":\"belongs to" "$scratch/body" || fail "it is not listed with its error"
stopped
serve --shared
asked 200 "/api/queues/$queue"
workq add "$queue" --shared a b c
eventually sh -c "curl -s '$base/api/queues/$queue' | grep -q '\"ready\":\[[^]]*3'"
# Cut off behind the header, as by somebody who may write to it: a page that is looked at is gone.
truncate -s 4096 "$SHM$queue"
for path in /api/queues "/api/queues/$queue" "/api/queues/$queue/items" /metrics /healthz; do
  curl -s -o /dev/null "$base$path" || fail "it does not answer when a queue is cut off: $path"
done
rm "$SHM$queue"
asked 200 /healthz
stopped
ok "queues that go, come, and are not ours"

# ---- Many at a time, and those who say nothing

workq create "$queue"
seq 1 3000 | workq add "$queue"
serve
found 1000 limit=1000
[ "$(json cut)" = '"limit"' ] || fail "not cut"
# More than there are connections for: the others wait their turn.
seq 1 200 | xargs -P 80 -I{} curl -s -o /dev/null -w '%{http_code}\n' --max-time $hang_limit "$base/api/queues/$queue/items?limit=50&search={}" |
  sort | uniq -c >"$scratch/codes"
[ "$(awk '{ print $1, $2 }' "$scratch/codes")" = '200 200' ] || fail "not all were answered: $(cat "$scratch/codes")"
# A connection that says nothing, or only half, holds up nobody.
port=${base##*:}
mkfifo "$scratch/silent"
curl -s "telnet://127.0.0.1:$port" <"$scratch/silent" >"$scratch/out" 2>&1 &
later $!
exec 3>"$scratch/silent"
printf 'GET /api/queues HT' >&3
asked 200 /healthz
printf 'nonsense\r\n\r\n' | curl -s --max-time $hang_limit "telnet://127.0.0.1:$port" >"$scratch/out" 2>&1 || :
asked 200 /healthz
exec 3>&-
stopped
ok "many, and odd ones"
