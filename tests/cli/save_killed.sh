#!/bin/sh
# save and load --once, killed before each of their system calls: no file that is not whole, no key lost or loaded twice.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

one_build_only "the order of the calls is"
kill_at() { "$WORKQ_BUILDDIR/tests/cli/kill_at_call" "$@"; }
run_it kill_at 1 true
[ "$status" != 77 ] || {
  echo "SKIPPED: nothing may be traced here"
  exit 77
}
[ "$status" = 9 ] || fail "kill_at_call does not kill: status $status"

workq create "$queue"
workq add "$queue" a b c
mkdir "$scratch/dir"
file=$scratch/dir/saved
stray=$scratch/dir/.saved.workq-save
is_whole() { tail -n 1 "$1" | grep -q '^{"type":"end","keys":'"$2"'}$'; }

# each_call LIMIT COMMAND...: calls `killed N` after each death; returns where the command was not killed any more.
each_call() {
  calls=0
  while
    calls=$((calls + 1))
    prepare
    run_it kill_at $calls "$@"
    [ "$status" = 9 ]
  do
    killed
    [ $calls -lt 5000 ] || fail "the command makes no end: $*"
  done
  [ "$status" = 0 ] || fail "status $status after $calls system calls: $*"
}

# ---- A file that is not there ----

strays=0
prepare() { rm -f "$file"; }
killed() {
  [ ! -e "$file" ] || is_whole "$file" 3 || fail "killed before call $calls: half a file"
  [ ! -e "$stray" ] || strays=$((strays + 1))
  rm -f "$file"
  [ -z "$(find "$scratch/dir" -type f ! -path "$stray")" ] || fail "killed before call $calls: $(ls -A "$scratch/dir")"
}
each_call workq save "$queue" "$file"
is_whole "$file" 3 || fail "not saved"
if (cd "$scratch/dir" && python3 -c 'import os; os.open(".", os.O_TMPFILE | os.O_WRONLY)') 2>/dev/null; then
  [ $strays -eq 0 ] || fail "$strays times a file was left where there are files without a name"
fi
ok "a new file, killed before each of $calls calls"

# ---- One that is there is replaced ----

cp "$file" "$scratch/old"
workq add "$queue" d
prepare() { [ ! -e "$stray" ] || cp "$stray" "$scratch/stray"; }
killed() {
  cmp -s "$file" "$scratch/old" || is_whole "$file" 4 || fail "killed before call $calls: the old file is gone"
  [ ! -e "$stray" ] || is_whole "$stray" 4 || fail "killed before call $calls: half a file has a name"
  cp "$scratch/old" "$file"
}
each_call workq save "$queue" "$file"
is_whole "$file" 4 || fail "not replaced"
[ "$(ls -A "$scratch/dir")" = saved ] || fail "a file is left: $(ls -A "$scratch/dir")"
ok "a file is replaced, killed before each of $calls calls"

# ---- Where no file is without a name ----

cp "$scratch/old" "$file"
strays=0
prepare() { :; }
killed() {
  cmp -s "$file" "$scratch/old" || is_whole "$file" 4 || fail "killed before call $calls: the old file is gone"
  [ ! -e "$stray" ] || strays=$((strays + 1))
  cp "$scratch/old" "$file"
  [ -z "$(find "$scratch/dir" -type f ! -path "$stray" ! -path "$file")" ] || fail "more than one file is left"
}
each_call --no-tmpfile workq save "$queue" "$file"
is_whole "$file" 4 || fail "not replaced"
[ $strays -gt 0 ] || fail "it has used files without a name"
[ "$(ls -A "$scratch/dir")" = saved ] || fail "what the killed have left is not removed: $(ls -A "$scratch/dir")"
# One that another process is writing is not touched.
if command -v flock >/dev/null; then
  : >"$stray"
  expect_error 1 "cannot write '$file': another process is saving to it" flock "$stray" \
    "$WORKQ_BUILDDIR/tests/cli/kill_at_call" 100000 --no-tmpfile workq save "$queue" "$file"
  rm "$stray"
fi
prepare() { rm -f "$file"; }
killed() { [ ! -e "$file" ] || is_whole "$file" 4 || fail "killed before call $calls: half a file"; }
each_call --no-tmpfile workq save --no-replace "$queue" "$file"
[ "$(ls -A "$scratch/dir")" = saved ] || fail "what the killed have left is not removed: $(ls -A "$scratch/dir")"
ok "without O_TMPFILE, killed before each of $calls calls"

# ---- load --once ----

# Whatever it was killed in, the next load makes the queue whole, once: a key that was worked on after that does not come back.
workq rm --force "$queue"
workq create "$queue" --max-retries 7
workq add "$queue" a b c
workq save "$queue" "$file"
cp "$file" "$scratch/old"
prepare() {
  rm -f "$SHM$queue"
  cp "$scratch/old" "$file"
}
killed() {
  [ ! -e "$SHM$queue" ] || [ "$(figure paused)" = yes ] || [ ! -e "$file" ] ||
    fail "killed before call $calls: keys can be worked on, and the file would be loaded again"
  expect 0 workq load --once "$queue" "$file"
  [ "$(ls -A "$scratch/dir")" = '' ] || fail "killed before call $calls: left: $(ls -A "$scratch/dir")"
  expect_figure keys 3
  expect_figure paused no
  expect_figure max_retries 7
}
each_call workq load --once "$queue" "$file"
expect_figure keys 3
[ "$(ls -A "$scratch/dir")" = '' ] || fail "left: $(ls -A "$scratch/dir")"
ok "load --once, killed before each of $calls calls"
