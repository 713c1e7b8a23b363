#!/bin/sh
# A /dev/shm that is full, or has no room for another file: one line says so, and the queues that are there are well.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2154
if [ "${1:-}" != inside ]; then
  unshare -m mount -t tmpfs tmpfs /dev/shm 2>/dev/null || {
    echo "SKIP: a /dev/shm of one's own is not to be had here"
    exit 77
  }
  exec unshare -m sh "$0" inside
fi
. "$(dirname "$0")/lib.sh"

mount -t tmpfs -o size=2m,nr_inodes=6 tmpfs /dev/shm
seq 1 20000 >"$scratch/keys"
workq create "$queue"

dd if=/dev/zero of=/dev/shm/filler bs=4k 2>/dev/null || :
expect_error 1 'shared memory is full|queue .* is full' workq create "$queue-more"
expect_error 1 'shared memory is full|queue .* is full' sh -c 'exec workq add "$1" <"$2"' sh "$queue" "$scratch/keys"
expect 1 workq stats "$queue-more"
expect 0 workq dump "$queue"
rm /dev/shm/filler
added=$(figure ready)
expect_output "$queue: sound, $added keys" workq check "$queue"
ok "a full /dev/shm: $added of 20000 keys"

# The rest of the keys fills it: those that are told to be in it are there.
expect_error 1 'shared memory is full|queue .* is full' sh -c 'exec workq add "$1" <"$2"' sh "$queue" "$scratch/keys"
added=$(figure ready)
[ "$added" -gt 1000 ] || fail "no more than $added keys"
expect_error 1 'lock|full|timed? ?out|time' workq add "$queue" --wait 10ms one-more
[ "$(drain | wc -l)" = "$added" ] || fail "not $added keys came out"
expect_figure keys 0
ok "a /dev/shm that its queue fills: $added keys"

for file in 1 2 3 4 5 6; do touch "/dev/shm/file-$file" 2>/dev/null || :; done
! touch /dev/shm/one-more 2>/dev/null || fail "there are inodes left"
expect_error 1 'shared memory is full|queue .* is full' workq create "$queue-more"
workq add "$queue" key
[ "$(drain)" = key ] || fail "the key did not come out"
expect_output "$queue: sound, 0 keys" workq check "$queue"
ok "a /dev/shm without inodes"
