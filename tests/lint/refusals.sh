#!/bin/sh
# Every function that the library calls outside itself is one that check_failures refuses, or stands here with the reason why
# it need not be.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

: "${WORKQ_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}" "${WORKQ_BUILDDIR:=$PWD}"
export LC_ALL=C

command -v nm >/dev/null || {
  echo "SKIP: there is no nm here"
  exit 77
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

grep -o -e '--wrap=[a-z0-9_]*' "$WORKQ_SRCDIR/tests/shm/failures/failures.mk" | sed 's/--wrap=//' >"$scratch/wrapped"
cp "$scratch/wrapped" "$scratch/known"

# Each line: functions, then why none of them is refused.
while read -r functions; do
  printf '%s\n' "${functions%%:*}" | tr ' ' '\n'
done >>"$scratch/known" <<'LIST'
memchr memcmp memcpy memmove memset strchr strcmp strcspn strlen strrchr strstr strtoll __isoc23_strtoll strtoull __isoc23_strtoull strncmp strnlen strerrordesc_np bcmp: only compute
sigaddset sigdelset sigemptyset snprintf vsnprintf qsort: only compute
lseek: the file is open, and its end is no refusal
clock_gettime getegid geteuid getpid getppid gettid pthread_self: cannot fail
getgroups: asks for as many as there are
sysconf: asked for what every system knows
prctl sched_yield personality pthread_setcancelstate: PR_GET_NAME, PR_SET_PDEATHSIG and these cannot fail
pthread_atfork pthread_once: called once a process, before any refusal
closedir: the directory is open
_exit kill sigaction pthread_sigmask: cannot fail for own children and valid signals
waitpid: its one error here is that somebody else has waited for the child, which check_pool tests
pthread_mutex_consistent pthread_mutex_unlock pthread_mutexattr_destroy: cannot fail for who holds the mutex
pthread_mutex_timedlock: stands for pthread_mutex_clocklock where that is missing
fflush fprintf fputc fputs fwrite putc ferror vfprintf: a stream that refuses is tested with one
abort aligned_alloc: only in builds that check the journal, which end the program
stderr stdout errno environ: no functions
LIST

# What compilers, sanitizers and the linker add; and other names of the same functions.
objects=$(find "$WORKQ_BUILDDIR/src" -name 'libworkq_core_la-*.o')
# shellcheck disable=SC2086 # words
nm -u $objects | sed -n 's/.* U //p' | sed 's/@.*//' | sort -u |
  grep -Ev '^(__(asan|ubsan|sanitizer|tsan|stack_chk|errno_location|tls_get_addr|gcov|llvm)|_GLOBAL_OFFSET_TABLE_|__start_|__stop_)' |
  sed 's/^__\(.*\)_chk$/\1/; s/64$//; s/^__\([a-z]*\)_2$/\1/' >"$scratch/called"
[ "$(wc -l <"$scratch/called")" -gt 50 ] || {
  echo "FAIL: the library's objects are not where they are looked for: $WORKQ_BUILDDIR/src"
  exit 1
}
# shellcheck disable=SC2086
nm $objects | sed -n 's/.* [A-TV-Z] //p' | sort -u >"$scratch/own"

comm -23 "$scratch/called" "$scratch/own" >"$scratch/outside"
status=0
while read -r function; do
  grep -qx -e "$function" "$scratch/known" && continue
  echo "FAIL: the library calls $function: let tests/shm/failures/refusals.c refuse it, or say here why that is not needed"
  status=1
done <"$scratch/outside"
# A function that the library calls no more needs no wrapper.  (Check, which may be linked statically, calls realloc.)
while read -r function; do
  case $function in realloc | pthread_mutex_clocklock) continue ;; esac
  grep -qx -e "$function" "$scratch/outside" && continue
  echo "FAIL: the library does not call $function any more"
  status=1
done <"$scratch/wrapped"
[ $status -ne 0 ] || echo "ok: $(wc -l <"$scratch/outside") functions, each of them refused or known to need no refusal"
exit $status
