#!/bin/sh
# A queue seen from another pid namespace: it can be read there, and not used; and one that a group shares.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
. "$(dirname "$0")/lib.sh"

elsewhere() { unshare --pid --fork --mount-proc "$@"; }
elsewhere true 2>/dev/null || {
  echo "SKIP: a pid namespace of one's own is not to be had here"
  exit 77
}

workq create "$queue"
workq add "$queue" one two
expect_error 1 "queue '$queue' can only be read here \(workq dump '$queue'\): the pid namespace is .*; use it from where" \
  elsewhere workq add "$queue" three
expect_error 1 'can only be read here' elsewhere workq run "$queue" --until-empty -- true
expect 0 elsewhere workq dump "$queue"
grep -q 'key two$' "$scratch/out" || fail "dump does not show the keys"
expect 0 elsewhere workq dump --json "$queue"
expect 0 elsewhere workq stats "$queue"
grep -q '^ready  *2$' "$scratch/out" || fail "stats does not show the keys"
expect 0 elsewhere workq ls
grep -q "^$queue	2	" "$scratch/out" || fail "ls does not show the queue"
expect 0 elsewhere workq save "$queue" "$scratch/saved"
expect 0 workq check "$queue"
ok "another pid namespace may read"

[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || {
  echo "ok: the rest needs root and setpriv"
  exit 0
}
as() {
  user=$1
  group=$2
  shift 2
  setpriv --reuid "$user" --regid "$user" --groups "$group" "$@"
}

chmod 755 "$scratch"
expect_error 2 "there is none named 'no-such-group'" workq create "$queue-team" --group no-such-group
expect_error 2 "another group than root's" workq create "$queue-team" --group root
expect_error 2 'needs a --mode in which the group may write' workq create "$queue-team" --group 65532 --mode 0600
expect 0 workq create "$queue-team" --group 65532
expect_output 65532:660 stat -c %g:%a "$SHM$queue-team"
if as 65534 65532 "$WORKQ" --version >/dev/null 2>&1; then
  expect 0 as 65534 65532 "$WORKQ" add "$queue-team" key
  expect 0 as 65533 65532 "$WORKQ" run "$queue-team" --until-empty -- true
  expect_error 1 'permission denied' as 65534 65531 "$WORKQ" add "$queue-team" key
  expect_error 1 'cannot be given to group 65532: you are not in it' as 65534 65531 "$WORKQ" create "$queue-other" --group 65532
fi
workq rm "$queue-team"
ok "a group shares a queue"
