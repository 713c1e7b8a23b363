#!/bin/sh
# configure refuses a compiler for 32 bits, and says so, before it misses anything else.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

: "${WORKQ_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}" "${WORKQ_CC:=cc}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

[ -x "$WORKQ_SRCDIR/configure" ] || {
  echo "SKIP: there is no configure here"
  exit 77
}
echo 'char pointers_have_32_bits[sizeof(void *) == 4 ? 1 : -1];' >small.c
# The compiler and its options are words.
# shellcheck disable=SC2086
$WORKQ_CC -m32 -c small.c 2>/dev/null || {
  echo "SKIP: $WORKQ_CC does not compile for 32 bits"
  exit 77
}

# A compiler that links programs of 64 bits, for want of libraries for others, and else compiles for 32.
cat >cc32 <<EOF
#!/bin/sh
for word; do
  [ "\$word" != -c ] || exec $WORKQ_CC -m32 "\$@"
done
exec $WORKQ_CC "\$@"
EOF
chmod +x cc32
if "$WORKQ_SRCDIR/configure" CC="$scratch/cc32" CFLAGS=-O0 >out 2>&1; then
  echo "FAIL: configure accepts a compiler for 32 bits"
  exit 1
fi
grep -q 'error: workq needs a 64-bit machine' out || {
  tail -n 3 out
  echo "FAIL: configure does not say that 64 bits are needed"
  exit 1
}
echo "ok: 32 bits"
