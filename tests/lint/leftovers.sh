#!/bin/sh
# No test of this run has left a queue in /dev/shm, or a process.  It runs after all others.  By convention (README.md) a test's
# queue has the pid of the process that removes it in its name; a queue whose process has ended was left behind.  A process
# belongs to the run whose name is in its environment.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

started=${WORKQ_BUILDDIR:-.}/tests/started
if [ ! -e "$started" ]; then
  echo "SKIPPED: $started is missing; 'make check' makes it"
  exit 77
fi

# ---- Processes

parent_of() { sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null; }

# descends PID ANCESTOR: it is that process, or was started by it, or by what that has started.
descends() {
  at=$1
  while [ "${at:-0}" -gt 1 ]; do
    [ "$at" != "$2" ] || return 0
    at=$(parent_of "$at")
  done
  return 1
}

# Processes of this run, but for this script, what it runs and what runs it.  One that is about to end has no environment.
left_running() {
  grep -lzFx -e "WORKQ_TEST_RUN=$WORKQ_TEST_RUN" /proc/[0-9]*/environ 2>/dev/null | sed 's,/proc/,,; s,/environ,,' |
    while read -r pid; do
      [ ! -e "/proc/$pid" ] || descends "$pid" $$ || descends $$ "$pid" || echo "$pid"
    done
}

# describe PID...
describe() {
  for pid; do
    printf '%s, %s: %s\n' "$pid" "$(sed -n 's/^State:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)" \
      "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")"
  done
}

# Those that were killed may take their time on a busy machine: only what runs on is at fault.  It is ended, so that it disturbs
# nobody else.
check_processes() {
  looks=0
  while left=$(left_running) && [ -n "$left" ]; do
    looks=$((looks + 1))
    if [ $looks -lt 300 ]; then
      sleep 0.2
      continue
    fi
    echo "FAIL: processes that a test of this run has left behind; they are killed now:"
    # shellcheck disable=SC2086 # words
    describe $left
    # shellcheck disable=SC2086
    kill -KILL $left 2>/dev/null || :
    return 1
  done
  echo "ok: no process is left"
}

# ---- Files

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

status=0
if [ -z "${WORKQ_TEST_RUN:-}" ]; then
  echo "not looked for: processes, since this run has no name ('make check' gives it one)"
elif [ ! -r /proc/self/environ ]; then
  echo "not looked for: processes, since there is no /proc"
else
  check_processes || status=1
fi

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
exit $status
