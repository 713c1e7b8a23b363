#!/bin/sh
# Output that cannot be written is an error, and never ends in the queue.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

workq create "$queue"
seq 1 8000 | workq add "$queue"

for words in "dump $queue" "dump $queue --json" "dump $queue --raw" "stats $queue" "stats $queue --json" "check $queue" ls \
  help 'help add' --version 'add --help'; do
  # shellcheck disable=SC2086
  expect_error 1 'cannot write to standard output' sh -c 'exec workq "$@" >/dev/full' sh $words
  # shellcheck disable=SC2086
  expect_error 1 'cannot write to standard output' sh -c 'exec workq "$@" >&-' sh $words
done
expect_error 1 'No space left on device' sh -c 'exec workq help >/dev/full'
ok "a full disk, a closed output"

# What says nothing does not mind.
for words in "pause $queue" "unpause $queue" "add $queue key"; do
  # shellcheck disable=SC2086
  expect_output '' sh -c 'exec workq "$@" >&- </dev/null' sh $words
done
# Errors are errors even where they cannot be said.
expect 1 sh -c 'exec workq stats "$1"-none 2>&-' sh "$queue"
expect 1 sh -c 'exec workq stats "$1" >&- 2>&- <&-' sh "$queue"
expect_output "$queue: sound, 8001 keys" workq check "$queue"
ok "nothing was written into the queue"

# A reader that has read enough ends the writer, as everywhere in a pipeline, and the queue stays well.
[ "$(workq dump "$queue" | head -n 1 | cut -c 1-6)" = 'queue ' ] || fail "dump into head"
[ "$(workq dump "$queue" --json | head -n 1 | cut -c 1-8)" = '{"type":' ] || fail "dump --json into head"
mkfifo "$scratch/fifo"
sh -c 'trap "" PIPE; exec workq dump "$1"' sh "$queue" >"$scratch/fifo" 2>"$scratch/err" &
writer=$!
later $writer
head -n 1 <"$scratch/fifo" >/dev/null
ended $writer
[ "$status" = 1 ] || fail "status $status where the reader is gone"
[ "$(cat "$scratch/err")" != '' ] || fail "no word about the reader that is gone"
expect_output "$queue: sound, 8001 keys" workq check "$queue"
ok "a closed pipe"
