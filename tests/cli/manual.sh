#!/bin/sh
# The manual pages are clean, and speak of everything that is there.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

page=$WORKQ_SRCDIR/man/workq.1
library_page=$WORKQ_SRCDIR/man/workq.3

for command in $(workq help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'); do
  grep -Eq "^\.(It )?Cm .*\<$command\>" "$page" || fail "workq(1) says nothing of $command"
  for option in $(workq help "$command" | grep -o -e '--[a-z-]*' | sort -u); do
    [ "$option" = -- ] || grep -Eq "Fl -?-?(\w , )?-${option#--}\>" "$page" || fail "workq(1) says nothing of $command $option"
  done
done
ok "workq(1) has every command and option"

sed -n 's/^WORKQ_API .*\(workq_[a-z_]*\)(.*/\1/p' "$WORKQ_SRCDIR/include/workq.h" | sort >"$scratch/functions"
sed -n 's/^\.Fn \(workq_[a-z_]*\).*/\1/p' "$library_page" | sort -u >"$scratch/named"
[ -s "$scratch/functions" ] && cmp -s "$scratch/functions" "$scratch/named" ||
  fail "workq(3) does not have just the functions of workq.h: $(diff "$scratch/functions" "$scratch/named")"
ok "workq(3) has every function"

# The program that it shows is examples/hello.c.
sed -n '/^#include <stdio.h>/,/^\.Ed/p' "$library_page" | sed '/^\.Ed/d; s/\\e/\\/g' >"$scratch/shown"
sed -n '/^#include <stdio.h>/,$p' "$WORKQ_SRCDIR/examples/hello.c" | cmp -s - "$scratch/shown" ||
  fail "the program in workq(3) is not examples/hello.c"
ok "workq(3) shows examples/hello.c"

if ! command -v mandoc >/dev/null; then
  echo "SKIPPED: there is no mandoc to look at the form of the pages"
  exit 77
fi
# That a page is not installed yet is not its fault.
mandoc -Tlint -W style "$page" "$library_page" 2>/dev/null | grep -v 'referenced manual not found' >"$scratch/out" || :
[ ! -s "$scratch/out" ] || fail "mandoc complains"
ok "mandoc finds no fault"
