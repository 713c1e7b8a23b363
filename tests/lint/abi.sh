#!/bin/sh
# The library's binary interface is the one that is on record in tests/lint/abi: symbols and their versions, parameters, and the
# layout of each structure of workq.h.  With --write (`make abi`) it writes the record.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

: "${WORKQ_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}" "${WORKQ_BUILDDIR:=$PWD}" "${WORKQ_CC:=cc}"
export LC_ALL=C
headers=$WORKQ_SRCDIR/include
library=$WORKQ_BUILDDIR/.libs/libworkq.so
release=$(sed -n 's/^#define WORKQ_VERSION "\([0-9]*\.[0-9]*\)\..*/\1/p' "$headers/workq.h")
record=$WORKQ_SRCDIR/tests/lint/abi/libworkq-$release.abi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

skip() {
  echo "SKIP: $*"
  exit 77
}

[ "${WORKQ_TEST_SCALE:-100}" -ge 100 ] || skip "the interface is the same in every build: only with WORKQ_TEST_SCALE=100"
for tool in abidw abidiff readelf; do
  command -v $tool >/dev/null || skip "there is no $tool here (Debian: abigail-tools, binutils)"
done
[ "$(uname -m)" = x86_64 ] || skip "the record is for x86-64"
[ -e "$library" ] || skip "this build has no shared library"
readelf -S "$library" | grep -q ' \.debug_info' || skip "this build has no debugging information (-g)"
# The compiler is a word that may have options.
# shellcheck disable=SC2086
! $WORKQ_CC -dM -E - </dev/null | grep -q '__clang__' || skip "the record is by gcc"

# describe FILE: the interface of the library, without where its source lines are.
describe() {
  abidw --headers-dir "$headers" --drop-private-types --exported-interfaces-only --drop-undefined-syms --no-corpus-path \
    --no-comp-dir-path --no-show-locs --no-elf-needed --no-parameter-names --type-id-style hash --out-file "$1" "$library"
}

if [ "${1:-}" = --write ]; then
  describe "$record"
  echo "$record: $(wc -l <"$record") lines"
  exit 0
fi

[ -e "$record" ] || {
  echo "FAIL: there is no record of version $release: make abi"
  exit 1
}
describe "$scratch/now.abi"
# A FILE is the C library's.
printf '[suppress_type]\n  name = _IO_FILE\n' >"$scratch/suppressions"
status=0
abidiff --suppressions "$scratch/suppressions" "$record" "$scratch/now.abi" || status=$?
# Bits of the status: 1 and 2, it did not work; 4, a change; 8, one that programs notice.
if [ "$status" -ne 0 ]; then
  echo "FAIL: the interface is not the one on record (abidiff's status: $status).  If that is meant: make abi, and"
  echo "see docs/releasing.md for -version-info and src/libworkq.map"
  exit 1
fi
echo "ok: the interface is that of $(basename "$record")"
