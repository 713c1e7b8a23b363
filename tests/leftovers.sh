#!/bin/sh
# No test of this run has left a queue in /dev/shm.  It runs after all others.  By convention (README.md) a test's queue
# has the pid of the process that removes it in its name; a queue whose process has ended was left behind.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

started=${WORKQ_BUILDDIR:-.}/tests/started
if [ ! -e "$started" ]; then
  echo "SKIPPED: $started is missing; 'make check' makes it"
  exit 77
fi

# is_older PATH: it was made before this run, whoever writes to it now.  Not every file system knows when that was.
is_older() {
  birth=$(stat -c %W "$1" 2>/dev/null) || return 1
  case $birth in 0 | -) return 1 ;; esac
  [ "$birth" -lt "$(stat -c %Y "$started")" ]
}

# Queues of this user that are younger than the run, carry a pid, and whose process is gone; and what was never born.
left_behind() {
  find /dev/shm -maxdepth 1 -name 'workq.*' -user "$(id -u)" -cnewer "$started" 2>/dev/null | while read -r path; do
    pid=$(printf '%s\n' "${path#/dev/shm/workq.}" | sed -n 's/^[^0-9]*-\([0-9]\{1,\}\)\([-.].*\)\{0,1\}$/\1/p')
    if [ -n "$pid" ] && [ ! -e "/proc/$pid" ] && ! is_older "$path"; then
      echo "$path"
    fi
  done
  find /dev/shm -maxdepth 1 -name 'workq-unborn.*' -user "$(id -u)" -cnewer "$started" 2>/dev/null
}

left=$(left_behind)
if [ -n "$left" ]; then
  # Another run beside this one may be about to tidy up after a process it has killed: look again.
  sleep 2
  left=$(left_behind)
fi
if [ -n "$left" ]; then
  echo "FAIL: left behind in /dev/shm by a process of this run (or of one beside it) that has ended:"
  echo "$left"
  exit 1
fi
echo "ok: nothing is left in /dev/shm"
