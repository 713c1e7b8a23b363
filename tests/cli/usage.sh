#!/bin/sh
# Help is given where it is asked for, and wrong usage is one line, status 2, and changes nothing.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

commands="create add run watch ls dump stats check shutdown resume pause unpause remove kick save load rm serve top"

expect 0 workq help
for command in $commands; do
  grep -q "^  $command " "$scratch/out" || fail "help does not list $command"
done
[ "$(grep -c '^  [a-z]' "$scratch/out")" -eq "$(echo "$commands" | wc -w)" ] || fail "help lists something else, too"
for command in $commands; do
  expect 0 workq help "$command"
  cp "$scratch/out" "$scratch/help"
  grep -q "^usage: workq $command" "$scratch/help" || fail "help $command has no usage line"
  expect 0 workq "$command" --help
  cmp -s "$scratch/out" "$scratch/help" || fail "$command --help is not help $command"
done
for command in "" $commands; do
  # shellcheck disable=SC2086
  workq help $command >"$scratch/help"
  [ "$(wc -l <"$scratch/help")" -lt 24 ] || fail "help $command does not fit a screen"
  ! grep -Eq '.{81}' "$scratch/help" || fail "help $command has a line of more than 80 columns"
done
expect 0 workq --help
expect_output "workq $(sed -n 's/^#define WORKQ_VERSION "\(.*\)"/\1/p' "$WORKQ_SRCDIR/include/workq.h")" workq --version
ok "help and version"

# Not in this version, and not half in.
expect_error 2 "unknown command 'prometheus'" workq prometheus "$queue"
expect_error 2 "unknown option '--graphite'" workq stats "$queue" --graphite
ok "nothing is there that does not work"

# What was left out of the build says so, whatever its arguments.
left_out() { workq "$1" --frob 2>&1 | grep -q 'built without'; }

expect_error 2 'missing command' workq
expect_error 2 "unknown command 'frobnicate'" workq frobnicate
expect_error 2 "unknown command 'frobnicate'" workq help frobnicate
expect_error 2 "unknown command '\\\\x1b\[31m'" workq "$(printf '\033[31m')"
expect_error 2 'one command' workq help add run
for command in $commands; do
  ! left_out "$command" || continue
  expect_error 2 "$command: unknown option '--frob' \(see: workq help $command\)" workq "$command" "$queue" --frob -- true
  expect_error 2 "$command: unknown option '-Z'" workq "$command" "$queue" -Z -- true
  case $command in
  ls | serve | top) ;;
  run) expect_error 2 "missing queue name" workq run -- true ;;
  *) expect_error 2 "missing queue name" workq "$command" ;;
  esac
done
for command in dump stats check shutdown resume pause unpause create; do
  expect_error 2 "unexpected argument 'more'" workq "$command" "$queue" more
done
expect_error 2 "unexpected argument '$queue'" workq ls "$queue"
left_out serve || expect_error 2 "unexpected argument '$queue'" workq serve "$queue"
left_out top || expect_error 2 "unexpected argument 'more'" workq top "$queue" more
expect_error 2 'missing key' workq remove "$queue"
expect_error 2 'missing key; .*--all' workq kick "$queue"
expect_error 2 'missing argument' workq watch "$queue"
expect_error 2 'missing argument' workq save "$queue"
expect_error 2 'missing argument' workq load "$queue"
expect_error 2 "'--json' takes no value" workq dump "$queue" --json=yes
expect_error 2 "'--after' requires a value" workq add "$queue" --after
expect_error 2 "'-j' requires a value" workq run "$queue" -j -- true
expect_error 2 "missing command after '--'" workq run "$queue"
expect_error 2 "missing command after '--'" workq run "$queue" true
expect_error 2 "missing command after '--'" workq run "$queue" --
expect_error 2 "keys as arguments" workq add "$queue" -0 key
expect_error 2 "--once .*standard input" workq load "$queue" - --once
ok "unknown and missing words"

for value in '' x 1x -1 0 +1 ' 1' 0x10 1.5 99999999999999999999 67108865; do
  expect_error 2 "--capacity takes a number from 1 to 67108864, not '" workq create "$queue" --capacity "$value"
done
expect_error 2 '1 to 32768' workq create "$queue" --key-max 32769
expect_error 2 '1 to 4096' workq create "$queue" --handles 4097
expect_error 2 '0 to 2147483647' workq create "$queue" --max-retries -1
expect_error 2 '0 to 2147483647' workq create "$queue" --max-crashes 2147483648
expect_error 2 "'bury' or 'drop'" workq create "$queue" --give-up forget
for value in '' 8 0 600x 0700 1600 0400 666666666 -1; do
  expect_error 2 "--mode takes 0600, 0660, 0606 or 0666, not '$value'" workq create "$queue" --mode "$value"
done
for value in 0644 0640 0604 0664 0646 0624; do
  expect_error 2 "not '$value': a user with read but not write permission" workq create "$queue" --mode "$value"
done
for value in 128 -129 high '' 1.0; do
  expect_error 2 "--priority takes a number from -128 to 127, not '$value'" workq add "$queue" --priority "$value" key
done
for value in 0 4096 -1 many ''; do
  expect_error 2 "-j takes a number of workers from 1 to 4095, not '$value'" workq run "$queue" -j "$value" -- true
done
ok "numbers"

for value in '' 5 s 5S 5s5s 1s1m '1 s' 5sx -5s +5s 1.5s 00x 5mss 9223372036854775808ns 9223372036854775807s 2562048h forever; do
  expect_error 2 "--after takes a duration" workq add "$queue" --after "$value" key
  expect_error 2 "--timeout takes a duration" workq run "$queue" --timeout "$value" -- true
  expect_error 2 "--drain takes a duration" workq shutdown "$queue" --drain="$value"
  expect_error 2 "--resync takes a duration" workq watch "$queue" . --resync "$value"
  expect_error 2 "--settle takes a duration" workq watch "$queue" . --settle "$value"
  expect_error 2 "--reap-interval takes a duration" workq create "$queue" --reap-interval "$value"
  left_out top || expect_error 2 "--interval takes a duration" workq top "$queue" --interval "$value"
  [ "$value" = forever ] || expect_error 2 "--wait takes a duration" workq add "$queue" --wait "$value" key
done
expect_error 2 "--timeout takes a duration" workq run "$queue" --timeout 0 -- true
expect_error 2 "from 1ms to 1m" workq create "$queue" --reap-interval 999us
expect_error 2 "from 1ms to 1m" workq create "$queue" --reap-interval 1m1ns
ok "durations"

bad_limiter() { expect_error 2 "$2" workq create "$queue" --limiter "$1"; }
bad_limiter '' 'unknown part'
bad_limiter ',' 'unknown part'
bad_limiter 'default,' 'unknown part'
bad_limiter quick 'unknown part'
bad_limiter 'EXP:1s:2s' 'unknown part'
bad_limiter default:1s 'do not take values'
bad_limiter default,controller 'cannot be combined'
bad_limiter none,exp:1s:2s 'cannot be combined'
bad_limiter exp:1s:2s,exp:1s:2s 'cannot be combined'
bad_limiter maxwait:1s,maxwait:1s 'cannot be combined'
bad_limiter jitter:1,jitter:1 'cannot be combined'
bad_limiter exp 'exp is exp:INITIAL:MAX'
bad_limiter exp:1s 'exp is exp:INITIAL:MAX'
bad_limiter exp:1:2 'exp is exp:INITIAL:MAX'
bad_limiter exp:1s:2s:3:4 'too many fields'
bad_limiter exp:0:2s "INITIAL must be longer than 0"
bad_limiter exp:2s:1s "MAX must be at least its INITIAL"
for factor in 0.5 nan inf 0x2 -2 '' 2x ' 2' 1e; do
  bad_limiter "exp:1s:2s:$factor" "FACTOR"
done
bad_limiter fastslow:1s:2s 'fastslow is'
bad_limiter fastslow:1s:2s:x 'fastslow is'
bad_limiter fastslow:1s:2s:4294967296 'fastslow is'
bad_limiter bucket:10:100 'bucket is'
bad_limiter bucket:10/m:100 'bucket is'
bad_limiter bucket:10/s:0 'bucket is'
bad_limiter bucket:10/s 'bucket is'
bad_limiter bucket:0/s:1 "RATE"
bad_limiter bucket:1e10/s:1 "RATE"
bad_limiter maxwait:0 'maxwait is'
bad_limiter maxwait 'maxwait is'
bad_limiter jitter:-1 'jitter is'
bad_limiter jitter:10.5 'jitter is'
ok "limiters"

[ ! -e "$SHM$queue" ] || fail "wrong usage has made a queue"
ok "wrong usage changes nothing"
