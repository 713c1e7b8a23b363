#!/bin/sh
# Includes point one way.  A module of src/ includes its own header and those of modules that stand before it in the list
# below; utils/ and examples/ include workq.h and headers of utils/ and examples/, never the library's inside.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

if [ "${WORKQ_TEST_SCALE:-100}" -lt 100 ]; then
  echo "SKIPPED: the sources are the same in every build: only with WORKQ_TEST_SCALE=100"
  exit 77
fi

# From the bottom to the top.
modules="layout clock errors processors limiter fingerprint reach handle read journal measure segment owner lock wait grow list table item ready delay
  lifecycle slot queue enter open restore inspect metrics snapshot admin check dump pool"

cd "${WORKQ_SRCDIR:-$(dirname "$0")/..}"
failed=0
seen=0

fail() {
  echo "FAIL: $*"
  failed=1
}

# The headers that a file includes in quotes, one a line; and workq.h, however it is included.
headers_of() {
  sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p; s/^[[:space:]]*#[[:space:]]*include[[:space:]]*<\(workq\.h\)>.*/\1/p' "$1"
}

rank_of() {
  rank=0
  for module in $modules; do
    rank=$((rank + 1))
    if [ "$module" = "$1" ]; then
      echo $rank
      return
    fi
  done
  echo 0
}

for file in src/*.[ch]; do
  name=${file#src/}
  module=${name%.[ch]}
  rank=$(rank_of "$module")
  [ "$rank" -gt 0 ] || fail "$file: the module $module has no place in the list of tests/includes.sh"
  for header in $(headers_of "$file"); do
    seen=$((seen + 1))
    other=$(rank_of "${header%.h}")
    case $header in
    workq.h) ;;
    "$module.h") [ "$name" != "$header" ] || fail "$file includes itself" ;;
    *)
      if [ "$other" -eq 0 ] || [ ! -e "src/$header" ]; then
        fail "$file includes $header, which is no header of src/"
      elif [ "$other" -gt "$rank" ]; then
        fail "$file includes $header, which stands above it"
      fi
      ;;
    esac
  done
done

for file in utils/*.[ch] examples/*.[ch]; do
  [ -e "$file" ] || continue
  for header in $(headers_of "$file"); do
    seen=$((seen + 1))
    [ "$header" = workq.h ] || [ -e "${file%/*}/$header" ] || [ -e "utils/$header" ] ||
      fail "$file includes $header, which is neither workq.h nor a header of utils/ or examples/"
  done
done

[ $seen -gt 0 ] || fail "no include was found: this test looks in the wrong place"
[ $failed -ne 0 ] || echo "ok: $seen includes, all of them point one way"
exit $failed
