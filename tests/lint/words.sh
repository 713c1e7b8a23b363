#!/bin/sh
# Words that were retired stay away; docs/glossary.md defines those in use instead.  CHANGELOG.md is
# not searched.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

if [ "${WORKQ_TEST_SCALE:-100}" -lt 100 ]; then
  echo "SKIPPED: the sources are the same in every build: only with WORKQ_TEST_SCALE=100"
  exit 77
fi

export LC_ALL=C
cd "${WORKQ_SRCDIR:-$(dirname "$0")/../..}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# list_files FOLDER...: the text files there, of the repository or of an unpacked tarball.
list_files() {
  if [ -e .git ] && command -v git >/dev/null && git ls-files --error-unmatch tests/lint/words.sh >/dev/null 2>&1; then
    git ls-files "$@"
  else
    find "$@" -type f
  fi | grep -v -e '/\.' -e '\.\(png\|svg\|json\|o\|lo\|la\|a\|1\|3\)$' -e '^docs/performance\.json$'
  # Pages that are made are not sources; those that are written are.
  for page in man/workq.1 man/workq.3; do
    case " $* " in
    *" man "*) echo "$page" ;;
    esac
  done
}

list_files src >"$scratch/src"
list_files src include utils/common docs man examples bench >"$scratch/most"
list_files src include utils docs man examples bench README.md >"$scratch/all"

# retired LIST WORD INSTEAD: none of the files of LIST has WORD, an extended expression, as a word, in either case.
retired() {
  count=$(wc -l <"$scratch/$1")
  [ "$count" -gt 0 ] || {
    echo "FAIL: no file was found: this test looks in the wrong place"
    exit 1
  }
  # The file's own place in the source tree has no blanks.
  # shellcheck disable=SC2046
  if grep -InwiE -e "$2" $(cat "$scratch/$1") /dev/null >"$scratch/found"; then
    echo "FAIL: retired: \"$2\"; say instead: $3"
    sed 's/^/  /' "$scratch/found"
    failed=1
  fi
}

retired all 'tenan(t|ts|cy)' 'owner, ownership'
retired all 'desert(s|ed|er|ers)?' 'cancelled waiter'
retired all 'courtesy|eager' 'backoff'
retired all 'guess(es|ed|ing)?' 'prefetch hint; infer'
retired all 'newcomers?' 'new handle'
retired all 'mend(s|ed|ing)?' 'fix, repair'
retired all 'stands? in line' 'waits, is queued'
retired all 'whoever' 'the caller, the process, the thread that ...'
retired all 'anew' 'again'
retired all 'beside' 'next to, besides'
retired all 'be had' 'available, acquired'
retired all 'told' 'signalled, reported'
# "all" without the README and the subcommands, some of which still have these.
retired most 'in hand' 'in flight, being processed'
retired most "in (its|their|the|your|whose|other|two workers'?) hands?" 'in flight, being processed'
retired most 'at (the|that) moment' 'now, then'
retired most '(a|one|next|last|hundred) looks?' 'check, read, probe, pass'
# In the engine a key's data is an item, a waiter sleeps, and space is free.
retired src 'records?' 'item'
retired src 'sleepers?' 'waiter'
retired src 'tells?' 'signals, reports, shows'
retired src 'swallow(s|ed)?' 'discard'

[ $failed -ne 0 ] || echo "ok: no retired word in $(wc -l <"$scratch/all") files"
exit $failed
