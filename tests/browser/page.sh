#!/bin/sh
# The page of workq serve in a real browser: page.py, where there is what it needs.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

skip() {
  echo "SKIPPED: $*"
  exit 77
}
[ "${WORKQ_TEST_SCALE:-100}" -ge 100 ] || skip "the page is the same in every build: only with WORKQ_TEST_SCALE=100"
for program in chromium chromedriver; do
  command -v $program >/dev/null || skip "there is no $program"
done
# Debian's packages for Python are for Debian's Python, which need not be the first in PATH.
for python in python3 /usr/bin/python3 none; do
  ! "$python" -c 'import selenium' 2>/dev/null || break
done
[ "$python" != none ] || skip "there is no selenium for Python (Debian: python3-selenium)"

# Where that is permitted, alone with its queues: those of other tests come and go.
page=$(dirname "$0")/page.py
if unshare -m mount -t tmpfs tmpfs /dev/shm 2>/dev/null; then
  exec unshare -m sh -c 'mount -t tmpfs tmpfs /dev/shm && exec "$@"' sh "$python" -B "$page"
fi
exec "$python" -B "$page"
