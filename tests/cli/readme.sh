#!/bin/sh
# What README.md shows is true: its shell blocks run, its C program is examples/hello.c and does what it says, its links lead
# somewhere.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"
one_build_only "README.md is"

readme=$WORKQ_SRCDIR/README.md

# block LANGUAGE NUMBER: the so manieth block that is marked so.
block() {
  awk -v wanted="\`\`\`$1" -v number="$2" \
    '$0 == "```" { inside = 0 } inside && count == number { print } $0 == wanted { inside = 1; count++ }' "$readme"
}

# The blocks' queues get names of their own, so that nobody's are touched.
run_block() {
  block sh "$1" | sed "s/\blogs\b/$queue-logs/g; s/\bthumbs\b/$queue-thumbs/g" >"$scratch/block"
  [ -s "$scratch/block" ] || fail "README.md has no shell block number $1"
  expect 0 sh -eu "$scratch/block"
  [ ! -s "$scratch/err" ] || fail "shell block $1 has words on standard error"
}

run_block 1
[ "$(sed 's/  */ /g' "$scratch/out" | LC_ALL=C sort)" = "$(printf '%s\n' 'coalesced 1' 'compressed a.log' 'compressed b.log' \
  'crashes 1' 'dones 2')" ] || fail "the first shell block"
run_block 2
[ "$(grep -c '^made a thumbnail of \(cat\|dog\)\.png$' "$scratch/out")" = 2 ] || fail "the thumbnails"
grep -q '^buried .* failures 3 .* key broken.png$' "$scratch/out" || fail "the key that was given up"
grep -q '^ready  *1$' "$scratch/out" || fail "the key that was kicked"
[ "$(wc -l <"$scratch/out")" = 4 ] || fail "the second shell block says something else, too"
[ -z "$(block sh 3)" ] || fail "a shell block that is not tried"
ok "the shell blocks"

block c 1 >"$scratch/shown"
sed -n '/^#include <stdio.h>/,$p' "$WORKQ_SRCDIR/examples/hello.c" | cmp -s - "$scratch/shown" ||
  fail "the C program is not examples/hello.c"
# Its queue has a fixed name, which somebody may use.
if [ -e "${SHM}hello" ]; then
  echo "SKIPPED: there is a queue named hello, so the program was not run"
else
  expect_output "$(printf 'hello, world\nhello, moon')" "$WORKQ_BUILDDIR/examples/hello"
  [ ! -e "${SHM}hello" ] || fail "hello has left its queue"
fi
ok "the C program"

grep -o '](\([^)]*\))' "$readme" | tr -d '()]' | sort -u >"$scratch/links"
while read -r link; do
  [ -e "$WORKQ_SRCDIR/$link" ] || fail "a link leads nowhere: $link"
done <"$scratch/links"
[ "$(wc -l <"$scratch/links")" -gt 5 ] || fail "the links were not found"
for command in $(workq help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'); do
  grep -Eq "^\| .*\`(workq )?$command\`" "$readme" || fail "README.md says nothing of $command"
done
ok "links, and every subcommand"
