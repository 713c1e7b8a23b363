#!/bin/sh
# Whatever reads the segment without its lock loads it once, as the machine code has it: valgrind's lackey tells of each load that
# the calls of tests/shm/raw_loads.c make, and this fails where a call loads a byte more often than it visits the thing, by the list
# below: then something was looked at by a second load, instead of in the copy that read.h has made.
#
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

: "${WORKQ_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}" "${WORKQ_BUILDDIR:=$PWD}"
export LC_ALL=C
program=$WORKQ_BUILDDIR/tests/shm/raw_loads

skip() {
  echo "SKIPPED: $*"
  exit 77
}

makefile=$WORKQ_BUILDDIR/Makefile
! grep -q '^WORKQ_CFLAGS = .*-fsanitize' "$makefile" || skip "the build has sanitizers"
command -v valgrind >/dev/null || skip "valgrind is not installed"
{ command -v nm && command -v strip; } >/dev/null || skip "binutils is not installed"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Valgrind does not know every compiler's notes for debuggers.
strip -g -o "$scratch/raw_loads" "$program"

# The tool sees the instructions as they stand: nothing is optimized on the way to it.
valgrind --tool=lackey --vex-iropt-level=0 --vex-guest-chase=no --trace-mem=yes --log-file="$scratch/trace" \
  "$scratch/raw_loads" >"$scratch/words" || {
  grep '^==' "$scratch/trace" || true
  echo "FAIL: the program does not run under valgrind"
  exit 1
}

nm -S "$program" | awk '$3 ~ /^[tT]$/ { print $1, $2, $4 }' >"$scratch/functions"

# How often a call may load the same byte: CALL REGION TIMES.  Once, where nothing is said: a part is visited once.  Each visit
# reads its own copy, checks it and uses nothing else; what is the same in many lines: "who" is read to pass the free slots, then
# all of it, and for each of two or three keys in hand; of "hot" the count of the heap, which bounds each look into that.
cat >"$scratch/visits" <<'END'
workq_stats cold 2                      by itself; the table's bounds
workq_stats hot 2
workq_stats who 2
workq_measure bands 2                   the depths; and the sum of what is dirty
workq_measure hot 2
workq_measure who 3                     also for whose measures they are
workq_metrics bands 2                   workq_measure
workq_metrics hot 2
workq_metrics who 3
workq_iterate hot 6
workq_iterate who 3
workq_iterate_order heap 2              in the heap; and by its key, for when that is due
workq_iterate_order hot 7
workq_iterate_order item 2              by its list; and once more in the look for what no list leads to
workq_iterate_order who 3
workq_iterate_state/delayed heap 2      as above
workq_iterate_state/delayed hot 7
workq_iterate_state/processing who 4
workq_iterate_workers who 2
workq_dump cold 2                       workq_stats, workq_iterate_workers and workq_iterate, one after another
workq_dump heap 2
workq_dump hot 8
workq_dump item 3
workq_dump own 2
workq_dump rare 2
workq_dump wait 2
workq_dump who 7
workq_check bands 2                     by itself, and for the sum of what is dirty
workq_check cold 4                      each part's bounds are looked at where the part is checked
workq_check heap 5                      by itself, and as the parent of four
workq_check hot 18                      as cold
workq_check item 5                      in the table, by a lookup, in its list, in the heap, and by itself
workq_check key 2                       in the table, and by a lookup
workq_check table 8                     by itself, and by a lookup for each of its seven at most
workq_check wait 2                      by itself, and in its list
END

awk -v scratch="$scratch" '
  function number(hex, i, n) {
    n = 0
    for (i = 1; i <= length(hex); i++) n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
    return n
  }
  function text(n, s) {
    for (s = ""; n > 0 || length(s) < 8; n = int(n / 16)) s = substr("0123456789abcdef", n % 16 + 1, 1) s
    return s
  }
  function function_at(pc, i) {
    for (i = 1; i <= functions; i++)
      if (pc >= from[i] && pc < to[i]) return names[i]
    return "?"
  }
  function region_at(address, i) {
    for (i = 1; i <= regions; i++)
      if (address >= first[i] && address < behind[i]) return i
    return 0
  }
  function most(region) {
    return (call SUBSEP region) in visits ? visits[call, region] : 1
  }
  function fault(what) {
    if (what in said) return
    said[what] = 1
    if (++faults <= 40) print "FAIL: " what
  }
  # Of an ordinary handle: what it waits for is looked at again and again; the rest, once.
  function excused(region) {
    return call ~ /^refused/ && region ~ /^(mutexes|lock|life|futex)$/
  }
  function load(address, size, by, r, region, b, word) {
    r = region_at(address)
    if (!r) return
    region = kind[r]
    loads[call]++
    if (excused(region)) return
    by = function_at(number(pc))
    for (b = address; b < address + size; b++) {
      word = "the word at " int((b - first[r]) / 8) * 8 " of " region
      if (by ~ /^(reach_|claimed)/) continue # asks anew for each index that is not known to have memory
      if (++times[b] > most(region)) fault(call ": " word " is loaded more than " most(region) " times, last by " by "()")
    }
  }
  BEGIN {
    while ((getline line < (scratch "/visits")) > 0) { split(line, f, " "); visits[f[1], f[2]] = f[3] }
    while ((getline line < (scratch "/words")) > 0) {
      split(line, f, " ")
      if (f[1] == "anchor") anchor = number(f[2])
      if (f[1] == "call") { calls[text(number(f[2]))] = f[3]; order[++called] = f[3] }
      if (f[1] == "region") {
        first[++regions] = number(f[2]); behind[regions] = first[regions] + f[3]; kind[regions] = f[4]
        if (regions == 1 || first[regions] < lowest) lowest = first[regions]
        if (behind[regions] > highest) highest = behind[regions]
      }
    }
    while ((getline line < (scratch "/functions")) > 0) {
      split(line, f, " ")
      from[++functions] = number(f[1]); to[functions] = from[functions] + number(f[2]); names[functions] = f[3]
      if (f[3] == "main") slide = anchor - from[functions]
    }
    for (i = 1; i <= functions; i++) { from[i] += slide; to[i] += slide }
    # The same number of digits as addresses of the mapping have, so that they can be compared as words.
    low = text(lowest); high = text(highest)
  }
  $1 == "I" {
    if (call == "") next
    pc = $2
    sub(/,.*/, "", pc)
    next
  }
  $1 == "L" || $1 == "M" {
    comma = index($2, ",")
    address = substr($2, 1, comma - 1)
    if (address in calls) {
      call = calls[address] == "end" ? "" : calls[address]
      delete times
    } else if (call != "" && length(address) == length(low) && address >= low && address < high) {
      load(number(address), substr($2, comma + 1) + 0)
    }
  }
  END {
    for (i = 1; i <= called; i++) {
      if (order[i] == "end") continue
      # The snapshot is copied by the kernel, and the limiter is a part of the header, of which the handle has a copy.
      if (!loads[order[i]] && order[i] !~ /snapshot|limiter/) fault(order[i] " loads nothing: this test looks in the wrong place")
      print order[i] ": " loads[order[i]] + 0 " loads"
    }
    if (faults > 40) print "FAIL: and " faults - 40 " more"
    exit faults > 0
  }' "$scratch/trace"
echo "ok: what is read without the lock is loaded once"
