#!/bin/sh
# run: what the command is given, and what its end means for the key.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

workq create "$queue" --max-retries 2 --limiter exp:1us:1us

workq add "$queue" a 'b c' '*' "'" '$(id)'
[ "$(drain)" = "$(printf "a\nb c\n*\n'\n\$(id)")" ] || fail "the key as the last argument"
workq add "$queue" 'x y'
[ "$(workq run "$queue" --until-empty -- printf '[%s]' {} '-{}-{}-' {}{} '{ }' end)" = '[x y][-x y-x y-][x yx y][{ }][end]' ] ||
  fail "the key in place of {}"
workq add "$queue" '{}'
[ "$(workq run "$queue" --until-empty -- printf '[%s]' 'a{}b' {})" = '[a{}b][{}]' ] || fail "a key that is {}"
workq add "$queue" 'two
lines'
[ "$(drain)" = 'two
lines' ] || fail "a key with a newline"
workq add "$queue" k
[ "$(workq run "$queue" --until-empty -j 1 -- sh -c 'echo "$WORKQ_NAME $WORKQ_KEY $WORKQ_FAILURES $WORKQ_WORKER"')" = \
  "$queue k 0 0" ] || fail "the environment"
workq add "$queue" k
[ "$(echo unread | workq run "$queue" --until-empty -- sh -c 'cat; ps -o pgid= -p $$ | tr -d " "; echo $$' | uniq | wc -l)" = 1 ] ||
  fail "an empty input, and a process group of its own"
expect_figure keys 0
ok "arguments, environment, input"

workq add "$queue" ok
expect 0 workq run "$queue" --until-empty -- true
[ ! -s "$scratch/err" ] || fail "words about a command that went well"
expect_figure keys 0

workq add "$queue" gone
expect 0 workq run "$queue" --until-empty -- sh -c 'exit 100'
[ "$(cat "$scratch/err")" = "workq: key 'gone': exit status 100, given up" ] || fail "100 gives the key up"
expect_figure buried 1
expect_figure retries 0
workq remove "$queue" gone

workq add "$queue" bad
expect 0 workq run "$queue" --until-empty -- sh -c 'echo $WORKQ_FAILURES; exit 3'
[ "$(cat "$scratch/out")" = "$(printf '0\n1\n2')" ] || fail "the command is run again with the failures counted"
printf "workq: key 'bad': exit status 3, retry\n%s\n%s\n" "workq: key 'bad': exit status 3, retry" \
  "workq: key 'bad': exit status 3, given up after 3 failures" | cmp -s - "$scratch/err" || fail "retries are reported"
expect_figure buried 1
workq kick "$queue" --all
expect_output "$(printf '0\n1\n2')" workq run "$queue" --until-empty --quiet -- sh -c 'echo $WORKQ_FAILURES; exit 1'
workq kick "$queue" --all
expect 0 workq run "$queue" --until-empty -- sh -c 'kill -SEGV $$'
grep -q "key 'bad': killed by signal 11, retry" "$scratch/err" || fail "a command that is killed"
workq kick "$queue" --all
expect 0 workq run "$queue" --until-empty -- sh -c 'exit 101'
grep -q "key 'bad': exit status 101, retry" "$scratch/err" || fail "101 is a failure like any other"
workq kick "$queue" --all
# Fails twice, then goes well: the key is gone and so is its count.
expect 0 workq run "$queue" -q --until-empty -- sh -c 'test $WORKQ_FAILURES -ge 2'
expect_figure keys 0
ok "exit statuses"

printf 'a\0b\n' | workq add "$queue"
expect 0 workq run "$queue" --until-empty -- echo
[ "$(cat "$scratch/err")" = "workq: key 'a\\x00b': a key with a NUL byte cannot be an argument, given up" ] || fail "a key with NUL"
[ ! -s "$scratch/out" ] || fail "the command was run for a key with NUL"
workq rm --force "$queue"
workq create "$queue" --max-retries 1 --limiter exp:1us:1us
workq add "$queue" "$(printf '\033[2J\377')"
expect 0 workq run "$queue" --until-empty -- false
! grep -q '[^ -~]' "$scratch/err" || fail "bytes that are not printable reach the terminal"
grep -Fq "key '\\x1b[2J\\xff': exit" "$scratch/err" || fail "a key that is not printable"
ok "keys that are no words"

workq add "$queue" waits
expect_error 1 "command 'no-such-command' not found in PATH" workq run "$queue" -- no-such-command
expect_error 1 "command 'no-such-command' not found in PATH" env PATH= "$WORKQ" run "$queue" -- no-such-command
expect_error 1 'not an executable file' workq run "$queue" -- /no/such/command
expect_error 1 'not an executable file' workq run "$queue" -- "$scratch"
: >"$scratch/script"
expect_error 1 'not an executable file' workq run "$queue" -- "$scratch/script"
expect_error 1 "command '\{\}' not found in PATH" workq run "$queue" -- {}
expect_error 1 'empty command name' workq run "$queue" -- ''
expect_figure ready 1
expect_figure gets 2
printf '\001\002\003' >"$scratch/script"
chmod +x "$scratch/script"
expect 0 workq run "$queue" --until-empty -- "$scratch/script"
grep -q 'retry$' "$scratch/err" || fail "a command that cannot be executed is a failure"
printf 'echo "a script: $1"\n' >"$scratch/script"
workq kick "$queue" waits
expect_output 'a script: waits' workq run "$queue" --until-empty -- "$scratch/script"
ok "commands that cannot be executed"

seq 1 200 | workq add "$queue"
workq run "$queue" -j 4 --until-empty -- sh -c 'echo "$WORKQ_WORKER $1"' sh >"$scratch/seen"
[ "$(cut -d ' ' -f 2 "$scratch/seen" | sort -n)" = "$(seq 1 200)" ] || fail "each key is run once"
[ "$(cut -d ' ' -f 1 "$scratch/seen" | sort -u | grep -vc '^[0-3]$')" = 0 ] || fail "workers have numbers from 0 on"
ok "several workers"

# Until empty is until nothing is delayed, either.
workq add "$queue" --after 50ms delayed
expect_output delayed workq run "$queue" --until-empty -- echo
# Without it the workers wait for more, and end at shutdown.
workq run "$queue" -j 2 -- echo >"$scratch/seen" &
runner=$!
later $runner
eventually figure_is waiting 2
workq add "$queue" first
eventually grep -q first "$scratch/seen"
workq add "$queue" second
eventually grep -q second "$scratch/seen"
workq shutdown "$queue"
ended $runner
[ "$status" = 0 ] || fail "status $status after shutdown"
workq resume "$queue"
ok "--until-empty, and without"

workq rm --force "$queue"
workq create "$queue" --handles 4
expect_error 1 'free handles for 3 workers, not for 4' workq run "$queue" -j 4 --until-empty -- true
expect_output '' workq run "$queue" -j 3 --until-empty -- true
ok "more workers than handles"
