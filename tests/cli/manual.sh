#!/bin/sh
# The manual pages are clean, and speak of everything that is there: commands, options, functions, errors, constants, types.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2013,SC2015,SC2016
. "$(dirname "$0")/lib.sh"
one_build_only "the pages are"

page=$WORKQ_SRCDIR/man/workq.1
library_page=$WORKQ_SRCDIR/man/workq.3
header=$WORKQ_SRCDIR/include/workq.h
# Where the pages are that the build makes.
made=$WORKQ_BUILDDIR/man

# has_option PAGE OPTION: an item of it is about the option.
has_option() { grep -Eq "^\.(It |Op )?Fl (. , )?-${2#--}\>" "$1"; }

commands=$(workq help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')
[ -n "$commands" ] || fail "workq help lists no commands"
for command in $commands; do
  grep -Eq "^\.(It )?Cm .*\<$command\>" "$page" || fail "workq(1) says nothing of $command"
  own_page=$made/workq-$command.1
  [ -s "$own_page" ] || fail "$command has no page"
  summary=$(workq help | sed -n "s/^  $command  *//p")
  grep -Fqx ".Nd ${summary%%;*}" "$own_page" || fail "the page of $command does not have the line of workq help: $summary"
  for option in $(workq help "$command" | grep -o -e '--[a-z-]*' | sort -u); do
    [ "$option" != -- ] || continue
    for one in "$page" "$own_page"; do
      has_option "$one" "$option" || fail "$one says nothing of $command $option"
    done
  done
done
ok "workq(1) and the page of each command have every command and option"

for own_page in "$made"/workq-*.1; do
  command=${own_page##*/workq-}
  command=${command%.1}
  echo "$commands" | grep -qx "$command" || fail "there is a page of $command, which is no command"
  for section in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' 'SEE ALSO'; do
    grep -qx "\.Sh $section" "$own_page" || fail "$own_page has no $section"
  done
done
ok "each page of a command is whole"

sed -n 's/^WORKQ_[A-Z]* .*\(workq_[a-z_]*\)(.*/\1/p' "$header" | sort >"$scratch/functions"
sed -n 's/^\.Fn \(workq_[a-z_]*\).*/\1/p' "$library_page" | sort -u >"$scratch/named"
[ -s "$scratch/functions" ] && cmp -s "$scratch/functions" "$scratch/named" ||
  fail "workq(3) does not have just the functions of workq.h: $(diff "$scratch/functions" "$scratch/named")"
ok "workq(3) has every function"

# find_page NAME: sets own_page to the file that `man 3 NAME` shows.
find_page() {
  [ -s "$made/$1.3" ] || fail "$1 has no page"
  link=$(sed -n '1s/^\.so man3\///p' "$made/$1.3")
  [ -z "$link" ] || [ -s "$made/$link" ] || fail "the page of $1 is a link to $link, which is not there"
  own_page=$made/${link:-$1.3}
}

while read -r function; do
  find_page "$function"
  grep -q "^\.Fn $function \"" "$own_page" || fail "$own_page has no synopsis of $function"
done <"$scratch/functions"
ok "each function has a page"

# Each error that a function's comment names: "FUNCTION ERROR" a line.
awk '
  /^\/\*/ { codes = "" }
  { line = $0
    while (match(line, /-E[A-Z]+/)) {
      codes = codes " " substr(line, RSTART + 1, RLENGTH - 1)
      line = substr(line, RSTART + RLENGTH)
    } }
  /^WORKQ_(API|SIZED)/ {
    match($0, /workq_[a-z_]+\(/)
    count = split(codes, code, " ")
    for (i = 1; i <= count; i++) print substr($0, RSTART, RLENGTH - 1), code[i]
    codes = ""
  }' "$header" >"$scratch/errors"
[ -s "$scratch/errors" ] || fail "workq.h names no errors"
while read -r function code; do
  find_page "$function"
  grep -q "Er $code\>" "$own_page" || fail "$own_page does not have -$code of $function"
done <"$scratch/errors"
ok "each function's errors are on its page"

for type in $(sed -n 's/^} \(workq_[a-z_]*\);/\1/p' "$header"); do
  find_page "$type"
  grep -qx "\.Ss struct $type" "$own_page" || fail "$own_page does not have the fields of $type"
done
for constant in $(sed -n 's/^\(#define\)* *\(WORKQ_[A-Z_]*\) .*/\2/p' "$header" | grep -Ev '^WORKQ_(API|SIZED|VERSION)$'); do
  grep -Eq "^\.It Dv $constant( |\$)" "$made"/workq_*.3 || fail "no page has $constant"
done
ok "types and constants are on a page"

# Cross references among these pages.
sed -n 's/^\.Xr \(workq[^ ]*\) \([13]\).*/\1.\2/p' "$page" "$library_page" "$made"/workq*.[13] | sort -u >"$scratch/references"
while read -r reference; do
  [ -s "$WORKQ_SRCDIR/man/$reference" ] || [ -s "$made/$reference" ] || fail "a page refers to $reference, which is not there"
done <"$scratch/references"
ok "pages refer to pages that there are"

# The program that it shows is examples/hello.c.
sed -n '/^#include <stdio.h>/,/^\.Ed/p' "$library_page" | sed '/^\.Ed/d; s/\\e/\\/g' >"$scratch/shown"
sed -n '/^#include <stdio.h>/,$p' "$WORKQ_SRCDIR/examples/hello.c" | cmp -s - "$scratch/shown" ||
  fail "the program in workq(3) is not examples/hello.c"
ok "workq(3) shows examples/hello.c"

if ! command -v mandoc >/dev/null; then
  echo "SKIPPED: there is no mandoc to look at the form of the pages"
  exit 77
fi
# Links are no pages.  That a page that is referred to is not installed is no fault.
grep -L '^\.so ' "$page" "$library_page" "$made"/workq-*.1 "$made"/workq_*.3 >"$scratch/pages"
xargs mandoc -Tlint -W style <"$scratch/pages" 2>/dev/null | grep -v 'referenced manual not found' >"$scratch/out" || :
[ ! -s "$scratch/out" ] || fail "mandoc complains"
ok "mandoc finds no fault"
