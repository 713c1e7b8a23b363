# What the tests of `workq serve` share, besides lib.sh: sourced by each of them.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
. "$(dirname "$0")/lib.sh"

if workq serve --listen 127.0.0.1:nowhere 2>&1 | grep -q 'without libmicrohttpd'; then
  echo "SKIPPED: this workq was built without its server"
  exit 77
fi
if ! command -v curl >/dev/null; then
  echo "SKIPPED: there is no curl to ask with"
  exit 77
fi
# Read by the tests that source this.
# shellcheck disable=SC2034
token=correct-horse-battery
reach= # an option of curl, by which the server is reached
json() { "$WORKQ_BUILDDIR/tests/cli/json_lines" "$@" <"$scratch/body"; }

# started WORD...: runs the words, a server, in the background; sets $server when it says where it listens.
started() {
  : >"$scratch/listening"
  "$@" >"$scratch/listening" 2>"$scratch/said" &
  server=$!
  later $server
  eventually grep -q '^listening on ' "$scratch/listening"
}

# serve ARGUMENT...: starts one at a port that is free; sets $server and $base.
serve() {
  reach=
  started workq serve --listen 127.0.0.1:0 "$@"
  base=$(sed -n 's,^listening on \(http://127.0.0.1:[0-9]*\)/.*$,\1,p' "$scratch/listening")
  [ -n "$base" ] || fail "it does not say where it listens: $(cat "$scratch/listening")"
}

# serve_at unix:PATH ARGUMENT...: starts one at a socket in the file system.
serve_at() {
  reach="--unix-socket ${1#unix:}"
  base=http://localhost
  address=$1
  shift
  started workq serve --listen "$address" "$@"
  grep -Fqx "listening on $address" "$scratch/listening" || fail "it says: $(cat "$scratch/listening")"
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
  # shellcheck disable=SC2086
  code=$(curl -sS $reach --path-as-is -o "$scratch/body" -D "$scratch/head" -w '%{http_code}' "$@" "$base$path") || fail "curl $path"
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
