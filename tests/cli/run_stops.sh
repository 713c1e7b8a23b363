#!/bin/sh
# run: stops are neither failures nor crashes; no key is run twice at once; terminals; the first process of a container.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015,SC2009
. "$(dirname "$0")/lib.sh"

workq create "$queue" --limiter exp:1us:1us

# Commands say that they run by a file of their key's name; they end when $scratch/go is there.
mkdir "$scratch/ran"
cat >"$scratch/work" <<'END'
#!/bin/sh
echo $$ >>"$1/ran/$2"
until [ -e "$1/go" ]; do sleep 0.02; done
END
chmod +x "$scratch/work"

# Always the same keys in the same order.
start() {
  workq remove "$queue" one two three >/dev/null 2>&1 || :
  workq add "$queue" one two three >/dev/null
  rm -f "$scratch/ran/"* "$scratch/go"
  : >"$scratch/err"
  env --default-signal=INT,HUP,TSTP "$WORKQ" run "$queue" "$@" 2>"$scratch/err" &
  runner=$!
  later $runner
}

# How often the key's command was started.
runs() { wc -l <"$scratch/ran/$1"; }
worker_of() { workq dump "$queue" --json | grep "\"key\":\"$1\"" | sed 's/.*"pid":\([0-9]*\).*/\1/'; }

# The runner has died of the signal, and the keys are as before: that many, none has failed.
expect_stopped() {
  ended $runner
  [ "$(kill -l "$status")" = "$1" ] || fail "status $status after $1"
  expect_figure ready "$2"
  expect_figure processing 0
  expect_figure retries 0
  expect_figure crashes 0
  workq dump "$queue" --json | grep '"type":"item"' | grep -vq '"failures":0,"crashes":0' && fail "counts of a key" || :
}

# SIGTERM to all processes, as systemd does: whichever dies first.
for i in 1 2 3 4 5; do
  start -j 2 -- "$scratch/work" "$scratch"
  eventually [ -s "$scratch/ran/one" ]
  eventually [ -s "$scratch/ran/two" ]
  one=$(worker_of one) two=$(worker_of two)
  case $((i % 2)) in
  0) order="$(cat "$scratch/ran/one" "$scratch/ran/two") $one $two $runner" ;;
  *) order="$runner $one $two $(cat "$scratch/ran/one" "$scratch/ran/two")" ;;
  esac
  # shellcheck disable=SC2086
  kill -TERM $order
  expect_stopped TERM 3
done
# A command that does not die of it, but ends with a failure because of it.
start -- sh -c 'trap "exit 1" TERM; echo $$ >"$1/ran/$2"; while :; do sleep 0.02; done' sh "$scratch"
eventually [ -s "$scratch/ran/one" ]
# shellcheck disable=SC2046
kill -TERM $runner $(worker_of one) $(cat "$scratch/ran/one")
expect_stopped TERM 3
ok "SIGTERM to all processes"

# The stop is passed on, and kills after a time.
start -j 2 --forward-stop -- sh -c 'trap "echo got it >>$1/ran/signal; exit 1" INT; echo $$ >"$1/ran/$2"; while :; do sleep 0.02; done' sh "$scratch"
eventually [ -s "$scratch/ran/two" ]
eventually [ -s "$scratch/ran/one" ]
kill -INT $runner
expect_stopped INT 3
[ "$(runs signal)" = 2 ] || fail "the signal did not come"
grep -q '^workq: stopping 2 commands; again to kill them$' "$scratch/err" || fail "what is said of it"
start --forward-stop --kill-after 100ms -- sh -c 'trap "" TERM; echo $$ >"$1/ran/$2"; while :; do sleep 0.02; done' sh "$scratch"
eventually [ -s "$scratch/ran/one" ]
kill -TERM $runner
expect_stopped TERM 3
start --kill-after 100ms -- "$scratch/work" "$scratch"
eventually [ -s "$scratch/ran/one" ]
kill -TERM $runner
expect_stopped TERM 3
ok "--forward-stop, --kill-after"

# What was ignored stays so, for the commands, too.
workq remove "$queue" one two three
workq add "$queue" one two three
rm -f "$scratch/ran/"* "$scratch/go"
env --ignore-signal=INT,HUP "$WORKQ" run "$queue" -- sh -c 'echo $$ >>"$1/ran/$2"; kill -INT $$; until [ -e "$1/go" ]; do sleep 0.02; done' sh "$scratch" \
  2>"$scratch/err" &
runner=$!
later $runner
eventually [ -s "$scratch/ran/one" ]
kill -INT $runner
kill -HUP $runner
: >"$scratch/go"
eventually figure_is keys 0
kill -TERM $runner
ended $runner
[ "$status" = 143 ] || fail "status $status"
[ "$(runs one)$(runs two)$(runs three)" = 111 ] || fail "the commands have not been run once"
ok "ignored signals stay ignored"

# A script with set -e ends there.
workq add "$queue" one two
rm -f "$scratch/ran/"* "$scratch/go"
: >"$scratch/err"
sh -c 'set -e; trap "" HUP; env --default-signal=INT,HUP "$1" run "$2" -- "$3/work" "$3" & echo $! >"$3/runner"; wait $!; echo went on' \
  sh "$WORKQ" "$queue" "$scratch" >"$scratch/out" 2>"$scratch/err" &
script=$!
later $script
eventually [ -s "$scratch/ran/one" ]
kill -INT "$(cat "$scratch/runner")"
eventually grep -q '^workq: finishing 1 command; again to kill it$' "$scratch/err"
: >"$scratch/go"
ended $script
[ ! -s "$scratch/out" ] || fail "the script went on"
expect_figure ready 1
workq remove "$queue" two
ok "set -e"

# Ctrl-Z: where a process is stopped it has no lock; it is blocked elsewhere.
start -j 2 -- sh -c 'test "$2" != one || exec "$1/work" "$1" "$2"' sh "$scratch"
eventually [ -s "$scratch/ran/one" ]
busy=$(worker_of one)
eventually figure_is waiting 1
idle=$(workq dump "$queue" --json | grep '"waiting":"key"' | sed 's/.*"pid":\([0-9]*\).*/\1/')
blocks_tstp() { [ $((0x$(awk '/^SigBlk/ { print $2 }' "/proc/$1/status") & 0x80000)) != 0 ]; }
eventually blocks_tstp "$idle"
for i in 1 2 3; do
  for process in $runner $busy $idle; do
    kill -TSTP "$process"
    eventually is_stopped "$process"
    workq add "$queue" "key $i" >/dev/null
    workq remove "$queue" "key $i" >/dev/null 2>&1 || :
    kill -CONT "$process"
  done
done
: >"$scratch/go"
kill -TERM $runner
ended $runner
[ "$status" = 143 ] || fail "status $status"
ok "Ctrl-Z"

# A command that opens the terminal gets an error, with a terminal as without one.
if command -v script >/dev/null; then
  workq create "$queue-tty" --limiter none --max-retries 0
  workq add "$queue-tty" key
  status=0
  script -qefc "workq run '$queue-tty' --until-empty --max-keys 1 -- sh -c 'read -r word </dev/tty'" "$scratch/terminal" </dev/null \
    >"$scratch/null" 2>&1 || status=$?
  grep -q "/dev/tty" "$scratch/terminal" || fail "no word about the terminal"
  grep -q "key 'key': exit status" "$scratch/terminal" || fail "it is no failure"
  ok "a command that wants the terminal"
fi

# The first process of a container waits for all that has lost its parent.
if unshare --pid --fork --mount-proc true 2>/dev/null; then
  expect 0 unshare --pid --fork --mount-proc sh -c '
    "$1" create "$2" && "$1" add "$2" a b c
    exec "$1" run "$2" -q --max-keys 4 -- sh -c "
      case \$1 in
      c) \"$1\" add \"$2\" d ;;
      d) ps -eo stat | grep -c Z >\"$3/zombies\"; ps -o pid= -C workq | head -n 1 >\"$3/first\" ;;
      *) (setsid sh -c \"sleep 0.1 & exit\" &) ;;
      esac; sleep 0.3" sh' sh "$WORKQ" "$queue-first" "$scratch"
  [ "$(tr -d ' ' <"$scratch/first")" = 1 ] || fail "workq was not the first process"
  [ "$(cat "$scratch/zombies")" = 0 ] || fail "$(cat "$scratch/zombies") processes have not been waited for"
  # It ends by a stop, though no signal kills it.
  unshare --pid --fork --mount-proc sh -c '"$1" create "$2" && exec "$1" run "$2" -- true' sh "$WORKQ" "$queue-stop" &
  container=$!
  later $container
  first() { ps -o pid= --ppid $container; }
  runs_in_container() { ps -o args= --ppid "$container" | grep -q ' run '; }
  eventually runs_in_container
  # Until it has got as far as to catch it.
  while runs_in_container; do
    # shellcheck disable=SC2046
    kill -TERM $(first) 2>/dev/null || :
    sleep 0.1
  done
  ended $container
  [ "$status" = 143 ] || fail "status $status of the first process"
  ok "the first process of a container"
fi

# The command has become another user, and neither the kernel nor we can kill it: the key waits for it.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && [ -n "${WORKQ_BUILDDIR:-}" ]; then
  user=61236
  as_user() { setpriv --reuid $user --regid $user --clear-groups "$@"; }
  chmod 755 "$scratch"
  cp "$WORKQ" "$scratch/workq-copy"
  cp "$(command -v sleep)" "$scratch/root-sleep"
  chown 0:0 "$scratch/root-sleep"
  chmod 4755 "$scratch/root-sleep"
  mkdir -m 777 "$scratch/user"
  as_user "$scratch/workq-copy" create "$queue-user" --limiter exp:1us:1us
  as_user "$scratch/workq-copy" add "$queue-user" key
  # The first time it becomes root, later it only says that it has come that far.
  : >"$scratch/err"
  as_user "$scratch/workq-copy" run "$queue-user" -j 2 --max-keys 1 -- sh -c '
    echo $$ >>"$1/user/started"; [ "$(wc -l <"$1/user/started")" = 1 ] || exit 0; exec "$1/root-sleep" 1000' sh "$scratch" 2>"$scratch/err" &
  runner=$!
  later $runner
  eventually [ -s "$scratch/user/started" ]
  old=$(cat "$scratch/user/started")
  became_root() { [ "$(stat -c %u "/proc/$1")" = 0 ]; }
  if comes became_root "$old" && ! as_user kill -KILL "$old" 2>/dev/null; then
    as_user_worker() { as_user "$scratch/workq-copy" dump "$queue-user" --json | grep '"key":"key"' | sed 's/.*"pid":\([0-9]*\).*/\1/'; }
    kill -KILL "$(as_user_worker)"
    # Another worker has the key, and waits.
    eventually grep -q "^workq: key 'key': its last command (process group $old) has outlived its worker; waiting until it ends" "$scratch/err"
    [ "$(wc -l <"$scratch/user/started")" = 1 ] || fail "two at once"
    kill -KILL "$old"
    ended $runner
    [ "$status" = 0 ] || fail "status $status"
    [ "$(wc -l <"$scratch/user/started")" = 2 ] || fail "it was not run again"
    # A stop waits for it, too, and so do two.
    rm -f "$scratch/user/started"
    as_user "$scratch/workq-copy" add "$queue-user" key
    : >"$scratch/err"
    as_user "$scratch/workq-copy" run "$queue-user" -- sh -c 'echo $$ >>"$1/user/started"; exec "$1/root-sleep" 1000' sh "$scratch" 2>"$scratch/err" &
    runner=$!
    later $runner
    eventually [ -s "$scratch/user/started" ]
    old=$(cat "$scratch/user/started")
    eventually became_root "$old"
    kill -TERM $runner
    eventually grep -q finishing "$scratch/err"
    kill -TERM $runner
    eventually grep -q "^workq: key 'key': its command (process group $old) cannot be killed: Operation not permitted; waiting" "$scratch/err"
    kill -KILL "$old"
    ended $runner
    [ "$status" = 143 ] || fail "status $status"
    as_user "$scratch/workq-copy" stats "$queue-user" | grep -Eqx 'ready +1' || fail "the key is not back"
    ok "a command that has become another user"
  else
    kill -KILL "$old" 2>/dev/null || :
    ok "SKIPPED: a command that has become another user ($scratch is mounted nosuid)"
  fi
fi
