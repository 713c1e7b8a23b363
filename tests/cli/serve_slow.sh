#!/bin/sh
# serve: clients that get nowhere, as many as there are places and more, shut nobody out.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2119
. "$(dirname "$0")/serve_lib.sh"

# slowly WHERE COUNT HOW TARGET: such clients are there from now on.
slowly() {
  rm -f "$scratch/hold"
  mkfifo "$scratch/hold"
  : >"$scratch/slow"
  "$WORKQ_BUILDDIR/tests/cli/slow_clients" "$@" <"$scratch/hold" >"$scratch/slow" &
  slow=$!
  later $slow
  exec 3>"$scratch/hold"
  eventually grep -q connected "$scratch/slow"
}

# Each of them keeps on trying, and each of these requests is answered nevertheless.  Without that it
# is answered never: the limit is for the test to end, and is a hundred times what it takes.
answered() {
  for number in 1 2; do
    asked 200 /healthz --max-time $hang_limit
    asked 200 /api/queues --max-time $hang_limit
  done
  kill -0 $slow || fail "the slow clients are gone at request $number"
  exec 3>&-
  ended $slow
  [ "$status" = 0 ] || fail "the slow clients: status $status"
  asked 200 /healthz --max-time $hang_limit
}

workq create "$queue"
seq 1 2000 | sed 's/$/ a key of some length, so that an answer fills what the kernel keeps for a connection/' |
  workq add "$queue"

serve
slowly "${base##*:}" 64 silent /
answered
ok "clients that say nothing"
slowly "${base##*:}" 100 send /
answered
has_lines "$scratch/slow" 2 || fail "no slow client was ended, and yet others were answered"
ok "clients that send a byte now and then"
stopped

serve_at "unix:$scratch/socket"
slowly "$scratch/socket" 64 read "/api/queues/$queue/items?limit=1000"
answered
slowly "$scratch/socket" 80 send /
answered
stopped
ok "clients that take their answer slowly, by a socket in the file system"

# Who is done makes way: where all places are taken an answer says that it is the last.
serve
slowly "${base##*:}" 63 silent /
comes_close() {
  asked 200 /healthz --max-time $hang_limit
  header Connection | grep -qi close
}
eventually comes_close
exec 3>&-
ended $slow
stays_open() {
  asked 200 /healthz
  ! header Connection | grep -qi close
}
eventually stays_open
stopped
ok "connections that are kept only where there are places"
