#!/bin/sh
# run: workers and commands that are killed, that take too long, that are told to end.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

# Commands say that they have started by adding their pid to a file of the key's name, and end when $scratch/go is there.
mkdir "$scratch/pids"
cat >"$scratch/work" <<'END'
#!/bin/sh
echo $$ >>"$1/pids/$2"
until [ -e "$1/go" ]; do sleep 0.02; done
echo "$2" >>"$1/done"
END
chmod +x "$scratch/work"

start() {
  rm -f "$scratch/pids/"* "$scratch/go" "$scratch/done"
  "$WORKQ" run "$queue" "$@" -- "$scratch/work" "$scratch" 2>"$scratch/err" &
  runner=$!
  later $runner
}

worker_of() { workq dump "$queue" --json | grep "\"key\":\"$1\"" | sed 's/.*"pid":\([0-9]*\).*/\1/'; }

workq create "$queue" --limiter exp:1us:1us

# A worker is killed in the middle of its command.
workq add "$queue" poor
start
eventually has_lines "$scratch/pids/poor" 1
command=$(cat "$scratch/pids/poor")
worker=$(worker_of poor)
kill -KILL "$worker"
eventually is_gone "$command"
ok "the command dies with its worker"
eventually has_lines "$scratch/pids/poor" 2
[ "$(worker_of poor)" != "$worker" ] || fail "the same worker"
expect_figure crashes 1
eventually grep -q "^workq: worker 0 (process $worker) was killed by signal 9; replacing it" "$scratch/err"
: >"$scratch/go"
eventually figure_is keys 0
[ "$(cat "$scratch/done")" = poor ] || fail "the work was not done once"
kill -TERM $runner
ended $runner
[ "$status" = 0 ] || fail "status $status"
ok "a killed worker's key comes back, and another worker does it"

# What the command has started dies with the worker, too.
mkfifo "$scratch/child"
workq add "$queue" parent
workq run "$queue" -q -- sh -c 'sleep 1000 & echo $! >"$0"; wait' "$scratch/child" {} &
runner=$!
later $runner
read -r child <"$scratch/child"
kill -KILL "$(worker_of parent)"
eventually is_gone "$child"
read -r child <"$scratch/child"
ok "so does what it has started"

# A second signal kills.
kill -TERM $runner
kill -INT $runner
ended $runner
[ "$status" = 1 ] || fail "status $status after two signals"
eventually is_gone "$child"
expect_figure processing 0
workq remove "$queue" parent
ok "a second signal kills the commands"

# The first signal lets the commands in hand end, and takes no more keys.
for signal in TERM INT; do
  workq add "$queue" one two three
  start -j 2
  eventually has_lines "$scratch/pids/one" 1
  eventually has_lines "$scratch/pids/two" 1
  kill -$signal $runner
  : >"$scratch/go"
  ended $runner
  [ "$status" = 0 ] || fail "status $status after $signal"
  [ "$(grep -c '^one$\|^two$' "$scratch/done")" = 2 ] || fail "the commands in hand have not ended well"
  expect_figure processing 0
  [ ! -s "$scratch/err" ] || fail "words at a peaceful end"
  workq remove "$queue" three 2>/dev/null || :
done
ok "the first signal lets the commands end"

# The supervisor is killed: its workers end when they have done what is in hand.
workq add "$queue" orphan
start
eventually has_lines "$scratch/pids/orphan" 1
worker=$(worker_of orphan)
kill -KILL $runner
: >"$scratch/go"
eventually is_gone "$worker"
[ "$(cat "$scratch/done")" = orphan ] || fail "the command in hand has not ended well"
expect_figure keys 0
ok "workers end with their supervisor"

# Time is up: the command and what it has started are ended, and the key has failed.
workq rm --force "$queue"
workq create "$queue" --max-retries 1 --limiter exp:1us:1us
workq add "$queue" slow
: >"$scratch/children" # time may be up before one of them runs
expect 0 workq run "$queue" --until-empty --timeout 100ms -- \
  sh -c 'sleep 1000 & echo $! >>"$0"; wait' "$scratch/children" {}
printf "workq: key 'slow': timed out, %s\n" retry 'given up after 2 failures' | cmp -s - "$scratch/err" || fail "--timeout"
while read -r child; do
  eventually is_gone "$child"
done <"$scratch/children"
expect_figure buried 1
workq kick "$queue" --all
# One that does not heed SIGTERM; it is said to have timed out though it ends with 0.
expect 0 workq run "$queue" --until-empty --timeout 100ms -- sh -c 'trap "exit 0" TERM; echo run; sleep 1000 & wait' slow
printf "workq: key 'slow': timed out, %s\n" retry 'given up after 2 failures' | cmp -s - "$scratch/err" || fail "ends with 0"
workq kick "$queue" --all
expect 0 workq run "$queue" -q --until-empty --timeout 100ms -- sh -c 'trap "" TERM; while :; do sleep 1000; done' slow
expect_figure buried 1
workq kick "$queue" --all
expect 0 workq run "$queue" --until-empty --timeout 1h -- true
expect_figure keys 0
ok "--timeout"
