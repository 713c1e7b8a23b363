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
  # A shell has its background jobs ignore SIGINT, and nohup has them ignore SIGHUP.
  env --default-signal=INT,HUP "$WORKQ" run "$queue" "$@" -- "$scratch/work" "$scratch" 2>"$scratch/err" &
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
[ "$status" = 143 ] || fail "status $status"
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

# A second signal kills; that is no crash of the worker and no failure of the key.
crashes=$(figure crashes)
kill -TERM $runner
repeat_term $runner
ended $runner
[ "$status" = 143 ] || fail "status $status after two signals"
eventually is_gone "$child"
expect_figure processing 0
expect_figure crashes "$crashes"
expect_figure retries 0
workq dump "$queue" --json | grep -q '"key":"parent","state":"ready"' || fail "the key is not back"
workq remove "$queue" parent
ok "a second signal kills the commands"

# The first signal lets the commands in hand end, and takes no more keys.
for signal in TERM INT HUP; do
  workq add "$queue" one two three
  start -j 2
  eventually has_lines "$scratch/pids/one" 1
  eventually has_lines "$scratch/pids/two" 1
  kill -$signal $runner
  if [ $signal = HUP ]; then # the terminal is gone: the commands are ended, too
    eventually grep -q '^workq: stopping 2 commands; again to kill them$' "$scratch/err"
    ended $runner
    [ ! -e "$scratch/done" ] || fail "a command went on"
    expect_figure ready 3
    expect_figure retries 0
  else
    eventually grep -q '^workq: finishing 2 commands; again to kill them$' "$scratch/err"
    : >"$scratch/go"
    ended $runner
    [ "$(grep -c '^one$\|^two$' "$scratch/done")" = 2 ] || fail "the commands in flight have not ended well"
    grep -q '^workq: 2 done, 0 given up, 1 left, ' "$scratch/err" || fail "the last line"
    [ "$(wc -l <"$scratch/err")" = 2 ] || fail "other words at a peaceful end"
  fi
  [ "$(kill -l "$status")" = $signal ] || fail "status $status after $signal"
  expect_figure processing 0
  workq remove "$queue" one two three >/dev/null 2>&1 || :
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
workq rm "$queue"
workq create "$queue" --max-retries 1 --limiter exp:1us:1us
workq add "$queue" slow
: >"$scratch/children" # time may be up before one of them runs
expect 3 workq run "$queue" --until-empty --timeout 100ms -- \
  sh -c 'sleep 1000 & echo $! >>"$0"; wait' "$scratch/children" {}
printf "workq: key 'slow': timed out, %s\n" retry 'given up after 2 failures' >"$scratch/wanted"
head -n 2 "$scratch/err" | cmp -s - "$scratch/wanted" || fail "--timeout"
while read -r child; do
  eventually is_gone "$child"
done <"$scratch/children"
expect_figure buried 1
workq kick "$queue"
# One that does not heed SIGTERM; it is said to have timed out though it ends with 0.
expect 3 workq run "$queue" --until-empty --timeout 100ms -- sh -c 'trap "exit 0" TERM; echo run; sleep 1000 & wait' slow
head -n 2 "$scratch/err" | cmp -s - "$scratch/wanted" || fail "ends with 0"
workq kick "$queue"
expect 3 workq run "$queue" -q --until-empty --timeout 100ms -- sh -c 'trap "" TERM; while :; do sleep 1000; done' slow
expect_figure buried 1
workq kick "$queue"
expect 0 workq run "$queue" --until-empty --timeout 1h -- true
expect_figure keys 0
ok "--timeout"

# The whole process group has its time between SIGTERM and SIGKILL, also where the shell dies of SIGTERM at once: what it has
# started cleans up, and until then the key is in flight.
workq add "$queue" slow
# shellcheck disable=SC2094
expect 3 workq run "$queue" --until-empty --timeout 1s -- sh -c '
  sh -c "trap \"sleep 0.5; workq stats $WORKQ_NAME | grep ^processing >>$0; exit\" TERM; echo ready; while :; do sleep 0.1; done" &
  wait' "$scratch/cleaned" {}
[ "$(wc -l <"$scratch/out")" = 2 ] || fail "it was run another number of times"
[ "$(awk '{ print $2 }' "$scratch/cleaned")" = "$(printf '1\n1')" ] || fail "the group was killed too early"
expect_figure buried 1
workq remove "$queue" slow
ok "--timeout gives all of the group its time"
