# What the tests of the command share: sourced by each of them.  Queues are called $queue or $queue-MORE; they, the files in
# $scratch and the processes given to `later` are gone at the end, however the test ends.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
set -eu

: "${WORKQ:=$PWD/utils/workq}" "${WORKQ_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}" "${WORKQ_BUILDDIR:=$PWD}"
export LC_ALL=C
unset WORKQ_NAME WORKQ_KEY WORKQ_FAILURES WORKQ_WORKER
# No systemd-logind here, whatever this machine has: `create` would warn.
export WORKQ_TEST_ROOT=/nonexistent

# Read by the tests that source this.
# shellcheck disable=SC2034
SHM=/dev/shm/workq.
queue=cli-$$
scratch=$(mktemp -d)
children=

# A command and not a function, so that `workq ... &` is one process, the one that $! names.
mkdir "$scratch/bin"
ln -s "$WORKQ" "$scratch/bin/workq"
PATH=$scratch/bin:$PATH
export PATH

clean_up() {
  status=$?
  trap - EXIT
  for child in $children; do
    # Two signals, because `workq run` ends its workers' commands only at the second.
    kill -TERM "$child" 2>/dev/null || :
    kill -INT "$child" 2>/dev/null || :
    # SIGCONT for those only that are stopped: a sanitizer's leak search, which may be going on, does not survive it.
    ! is_stopped "$child" || kill -CONT "$child" 2>/dev/null || :
    wait "$child" 2>/dev/null || :
  done
  rm -rf "/dev/shm/workq.$queue" "/dev/shm/workq.$queue"-* "$scratch"
  exit $status
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

fail() {
  echo "FAIL: $*"
  [ ! -s "$scratch/out" ] || sed 's/^/  stdout: /' "$scratch/out" | head -n 20
  [ ! -s "$scratch/err" ] || sed 's/^/  stderr: /' "$scratch/err" | head -n 20
  exit 1
}

ok() { echo "ok: $*"; }

# one_build_only WHAT: ends a test of what is the same in every build; it runs in one of them, that with WORKQ_TEST_SCALE=100.
one_build_only() {
  [ "${WORKQ_TEST_SCALE:-100}" -lt 100 ] || return 0
  echo "SKIPPED: $1 the same in every build: only with WORKQ_TEST_SCALE=100"
  exit 77
}

# run_it COMMAND...: its output goes to $scratch/out and $scratch/err, its status to $status.
run_it() {
  status=0
  "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
}

# expect STATUS COMMAND...: it ends so.
expect() {
  wanted=$1
  shift
  run_it "$@"
  [ "$status" = "$wanted" ] || fail "status $status, not $wanted, of: $*"
}

# expect_error STATUS PATTERN COMMAND...: it ends so, says nothing but one line "workq: ..." on standard error, and that
# line matches the pattern.
expect_error() {
  wanted=$1
  pattern=$2
  shift 2
  run_it "$@"
  [ "$status" = "$wanted" ] || fail "status $status, not $wanted, of: $*"
  [ ! -s "$scratch/out" ] || fail "output where an error was due: $*"
  [ "$(wc -l <"$scratch/err")" -eq 1 ] || fail "not one line: $*"
  grep -q '^workq: ' "$scratch/err" || fail "the line does not begin with 'workq: ': $*"
  grep -Eq -e "$pattern" "$scratch/err" || fail "the line does not say '$pattern': $*"
}

# expect_output TEXT COMMAND...: it ends well, and says this on standard output and nothing on standard error.
expect_output() {
  text=$1
  shift
  run_it "$@"
  [ "$status" = 0 ] || fail "status $status of: $*"
  [ ! -s "$scratch/err" ] || fail "words on standard error of: $*"
  [ "$(cat "$scratch/out")" = "$text" ] || fail "output is not '$text' of: $*"
}

# figure NAME [QUEUE]: one of the queue's figures.
figure() { workq stats "${2:-$queue}" | awk -v name="$1" '$1 == name { print $2 }'; }

# expect_figure NAME VALUE [QUEUE]
expect_figure() {
  found=$(figure "$1" "${3:-$queue}")
  [ "$found" = "$2" ] || fail "$1 of queue ${3:-$queue} is $found, not $2"
}

# A wait ends with what it waits for.  Only a hang takes that many looks: ten minutes on an idle machine, more on a busy one.
looks_max=30000
hang_limit=600

# comes COMMAND...: waits until it is true; fails where that never comes.
comes() {
  looks=0
  until "$@" >/dev/null 2>&1; do
    looks=$((looks + 1))
    [ $looks -lt $looks_max ] || return 1
    sleep 0.02
  done
}

# eventually COMMAND...: waits until it is true.
eventually() { comes "$@" || fail "never came true: $*"; }

figure_is() { [ "$(figure "$1")" = "$2" ]; }

# waits_for WHAT: somebody waits for a key, for room, or for the drain.
waits_for() { workq dump --json "$queue" | grep -q "\"waiting\":\"$1\""; }

# is_gone PID: it has ended, whether or not anybody has waited for it.
is_gone() { ! grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$1/status"; }

is_stopped() { grep -qs '^State:[[:space:]]*T' "/proc/$1/status"; }

# has_lines FILE N
has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

# later PID: to be killed at the end, if it still runs.
later() { children="$children $1"; }

# ended PID: waits for this child and sets $status.
ended() {
  status=0
  wait "$1" || status=$?
}

# alive_pipe: makes $scratch/alive.  Processes that were started with it open for writing can be waited for with all_gone.
alive_pipe() {
  rm -f "$scratch/alive"
  mkfifo "$scratch/alive"
  timeout $hang_limit cat "$scratch/alive" &
  alive_reader=$!
  later $alive_reader
}

# all_gone: waits until the last process that has the pipe has ended; fails where that never comes.
all_gone() {
  ended $alive_reader
  [ "$status" = 0 ]
}

# Takes all ready keys, one a line, in the order in which they come.
drain() { workq run "$queue" --until-empty -- echo; }
