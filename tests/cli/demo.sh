#!/bin/bash
# The demo keeps its word: it ends well by itself, having verified every checksum, and leaves nothing behind.
# SPDX-License-Identifier: Apache-2.0
set -u

command -v xxhsum >/dev/null || {
  echo "SKIP: xxhsum is not installed (Debian: xxhash)"
  exit 77
}
# Half a minute is for people who watch; a loaded machine may take its time.
output=$(DEMO_SECONDS=1200 "$WORKQ_SRCDIR/examples/demo" "$WORKQ_BUILDDIR" 2>&1)
status=$?
echo "$output"
if [ $status -ne 0 ]; then
  echo "FAIL: the demo ended with status $status"
  exit 1
fi
grep -qE '^ +keys lost +0$' <<<"$output" || {
  echo "FAIL: the demo did not say that no key was lost"
  exit 1
}
