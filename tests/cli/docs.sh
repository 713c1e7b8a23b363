#!/bin/sh
# What the tutorial and the recipes show is true: their shell blocks run, their C compiles, and links of all documents lead
# somewhere.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"
one_build_only "the documents are"

docs=$WORKQ_SRCDIR/docs

# blocks LANGUAGE DOCUMENT: all blocks that are marked so.
blocks() { awk -v wanted="\`\`\`$1" '$0 == "```" { inside = 0 } inside { print } $0 == wanted { inside = 1 }' "$docs/$2"; }

# run_blocks DOCUMENT NAME...: its shell blocks, one after the other; the queues it names get names of their own.
run_blocks() {
  blocks sh "$1" >"$scratch/blocks"
  [ "$(wc -l <"$scratch/blocks")" -gt 20 ] || fail "$1 has hardly a shell block"
  document=$1
  shift
  for name; do sed -i "s/\b$name\b/$queue-$name/g" "$scratch/blocks"; done
  ! sed -n 's/.*workq [a-z]* \([a-z][a-z-]*\).*/\1/p' "$scratch/blocks" | grep -v "^cli-" || fail "a queue without a name of its own"
  mkdir "$scratch/$document"
  (cd "$scratch/$document" && timeout $hang_limit sh -eu "$scratch/blocks") >"$scratch/out" 2>"$scratch/err" ||
    fail "the shell blocks of $document"
  [ ! -s "$scratch/err" ] || fail "the shell blocks of $document have words on standard error"
}

# shows LINE: in this order.
shows() {
  grep -nEx -e "$1" "$scratch/out" | cut -d : -f 1 >"$scratch/at"
  [ -s "$scratch/at" ] || fail "not shown: $1"
}

run_blocks tutorial.md thumbs
for line in 'coalesced +1' 'a thumbnail of cat.png' 'retries +2' 'gave_up +1' 'buried .* key hopeless.png' \
  'another worker made precious.png' 'crashes +1' '.*: sound, 1 key' 'delayed +1'; do
  shows "$line"
done
grep -A 2 '^urgent.png$' "$scratch/out" | tr '\n' ' ' | grep -q '^urgent.png first.png second.png $' || fail "the priorities"
ok "the tutorial"

run_blocks recipes.md convert crawl decode jobs nightly orders
[ "$(grep -c '^converted pictures/[abc].png$' "$scratch/out")" = 3 ] || fail "the pictures"
[ "$(grep -c '^one page of [ab].example$' "$scratch/out")" = 6 ] || fail "the crawler"
shows 'buried .* crashes 2  key bomb.png'
[ -z "$(ls "$SHM$queue"* 2>/dev/null)" ] || fail "the recipes leave a queue"
ok "the recipes"

compiles() { ${WORKQ_CC:-cc} -fsyntax-only -Wall -Werror -I"$WORKQ_SRCDIR/include" -x c - || fail "the C of $1"; }
{
  echo '#include <workq.h>'
  echo 'int render_page(const void *key, size_t len);'
  blocks c recipes.md
} | compiles recipes.md
{
  echo '#include <workq.h>'
  echo 'int make_thumbnail(const void *key, size_t len);'
  echo 'void worker(void);'
  echo 'void worker(void) {'
  blocks c tutorial.md
  echo '}'
} | compiles tutorial.md
ok "the C"

{
  find "$docs" -name "*.md"
  ls "$WORKQ_SRCDIR"/*.md "$WORKQ_SRCDIR"/bench/*.md "$WORKQ_SRCDIR"/tests/*.md
} >"$scratch/documents"
while read -r document; do
  grep -o '](\([^):]*\))' "$document" | tr -d '()]' | sed 's/#.*//' | sort -u | while read -r link; do
    [ -z "$link" ] || [ -e "$(dirname "$document")/$link" ] || fail "a link in $document leads nowhere: $link"
  done
done <"$scratch/documents"
ok "links"
