#!/bin/sh
# workq top, in a terminal that tmux makes: what the pages show, what the keys do, and that the terminal is left as it was.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

expect_error 1 'must be a terminal' workq top
expect_error 1 'must be a terminal' workq top "$queue"
expect_error 2 'from 100ms on' workq top --interval 99ms
if ! command -v tmux >/dev/null; then
  echo "SKIPPED: there is no tmux to make a terminal"
  exit 77
fi
if [ "$(env LC_ALL=C.UTF-8 locale charmap 2>/dev/null)" = UTF-8 ]; then utf8=C.UTF-8; else utf8=C; fi

# ---- The terminal

printf 'set -g status off\nset -g default-terminal screen\n' >"$scratch/tmux.conf"
unset TMUX
export TMUX_TMPDIR="$scratch"
tm() { tmux -u -L top "$@"; }
tmux -u -L top -f "$scratch/tmux.conf" -D &
later $!
eventually tm display-message -p ready

# What runs in it.  It ends when the test lets it go, so that the screen can be looked at.
cat >"$scratch/session" <<'END'
here=$1
shift
read -r go <"$here/start"
# Ctrl-C is for the command.
trap : INT
echo before the start
stty -a >"$here/before"
"$@" 2>"$here/said"
echo $? >"$here/status"
stty -a >"$here/after"
echo after the end
exec cat
END

# terminal ROWS COLUMNS COMMAND...: runs it in a new terminal; $scratch/raw gets all that is written to it.
mkfifo "$scratch/start"
terminal() {
  rows=$1 columns=$2
  shift 2
  rm -f "$scratch/status" "$scratch/before" "$scratch/after" "$scratch/said" "$scratch/raw"
  tm kill-session -t t 2>/dev/null || :
  tm new-session -d -s t -x "$columns" -y "$rows" sh "$scratch/session" "$scratch" env LC_ALL=$utf8 "$@"
  tm pipe-pane -t t "cat >'$scratch/raw'"
  echo go >"$scratch/start"
}

screen() { tm capture-pane -p -t t; }
shows() { screen | grep -Eq -e "$1"; }
shows_not() { ! shows "$1"; }
keys() { tm send-keys -t t "$@"; }
resize() { tm resize-window -t t -x "$2" -y "$1"; }
on_alternate() { [ "$(tm display-message -p -t t '#{alternate_on}')" = "$1" ]; }
top_pid() { pgrep -P "$(tm display-message -p -t t '#{pane_pid}')"; }

# sees PATTERN...: sooner or later all of them are on the screen.
sees() {
  for wanted in "$@"; do
    comes shows "$wanted" || {
      screen
      fail "the screen never showed: $wanted"
    }
  done
}

# ends STATUS [vt100]: it has ended so, and the terminal is as it was.
ends() {
  # The last that is written: then tmux has seen all that was written before.
  sees 'after the end'
  eventually grep -q 'after the end' "$scratch/raw"
  [ "$(cat "$scratch/status")" = "$1" ] || fail "status $(cat "$scratch/status"), not $1: $(cat "$scratch/said")"
  cmp -s "$scratch/before" "$scratch/after" || fail "stty: $(diff "$scratch/before" "$scratch/after")"
  on_alternate 0 || fail "the alternate screen is left on"
  # A vt100 has one screen only, which shows the last page to the end.
  [ "${2-}" = vt100 ] || sees 'before the start'
}

# ---- What it refuses

terminal 24 80 workq top
has_started() { [ -s "$scratch/said" ] || shows '^ QUEUE +READY'; }
eventually has_started
if grep -q 'built without ncurses' "$scratch/said"; then
  echo "SKIPPED: this workq was built without its live view"
  exit 77
fi
terminal 24 80 workq top "$queue"
ends 1
grep -q "queue '$queue' does not exist" "$scratch/said" || fail "a queue that is not there"
for type in dumb frob; do
  workq create "$queue" --if-missing
  terminal 24 80 env TERM=$type "$WORKQ" top "$queue"
  ends 1
  [ "$(wc -l <"$scratch/said")" -eq 1 ] && grep -q "TERM) is '$type'" "$scratch/said" || fail "TERM=$type: $(cat "$scratch/said")"
done
workq rm --force "$queue"
ok "what cannot be watched is said before the screen is touched"

# ---- The page of a queue

workq create "$queue" --limiter none --max-retries 1
printf 'bad1\nbad2\nbad\033]0;evil\007\n' | workq add "$queue"
workq run "$queue" -q --until-empty -- false
workq add "$queue" --after 2h later1 later2
mkfifo "$scratch/go"
workq add "$queue" --priority 100 held
workq run "$queue" -q -- sh -c "read -r word <'$scratch/go'" &
worker=$!
later $worker
eventually figure_is processing 1
seq 1 12 | sed 's/^/low/' | workq add "$queue" --priority -7
seq 1 30 | sed 's/^/some/' | workq add "$queue"
# What is there besides "open" where the machine is slow.
open='(open|stuck [0-9.a-z]+|no worker)'

terminal 24 80 workq top "$queue" --interval 100ms
sees "queue   $queue +$open +every 100ms" '^ ready +42 ' '^ processing +1 ' '^ delayed +2 ' 'next due +1h[0-9]+m' '^ buried +3 ' \
  ' added +0 +48' ' done +0 +6' ' +-7 +12 ' ' +0 +30 ' 'held$' 'READY +last [0-9.ms]+, most 42' '^ w workers .*q quit$'
on_alternate 1 || fail "it does not use the alternate screen"
[ "$(screen | wc -l)" -eq 24 ] || fail "not 24 rows"
[ $utf8 = C ] || sees '███'
keys w
sees "sh -c 'read -r .* works +[0-9.hms]+ +0 +0 +[0-9.hms]+  held" ' PID +COMMAND +ACTIVITY'
keys '?'
sees '^ w i +workers; items'
keys q
sees ' PID +COMMAND +ACTIVITY'
keys Tab
sees '^ processing +100 .*held$' '^ ready +0 .*some1$' '48 shown'
keys End
sees '^ ready +-7 .*low12$' '^ delayed .* 1h[0-9]+m .*later1$' '^ buried .* 1 +bad1$'
keys Escape
sees '^ ready +42 '
ok "pages"

resize 43 132
sees '^ ready +42 ' 'READY +last [0-9.ms]+, most 42'
[ "$(screen | wc -l)" -eq 43 ] || fail "not 43 rows"
resize 60 200
# What is being processed stands next to the figures.
sees '^ KEYS +RATE +/s +total +TIME .* AT WORK +PID  COMMAND +KEY$' '^ ready +42 .* sh -c .*  held$'
[ "$(screen | wc -l)" -eq 60 ] || fail "not 60 rows"
resize 10 40
sees '^ ready 42 +at work 1 +delayed 2$' '^ AT WORK +PID +COMMAND +KEY$' 'held$' '^ w workers .*q quit$'
keys i Home
sees '^ STATE +.*KEY$' 'held$'
keys Escape
resize 5 80
sees 'the terminal is too small' 'it has 80x5, needed: 30x6'
resize 24 29
sees 'it has 29x24'
resize 5 10
sees 'workq top'
keys i Home
resize 18 80
sees '^ processing +100 .*held$' '48 shown'
resize 24 80
ok "resizing"

# ---- Items

keys /
sees 'keys with:'
keys s o m e x BSpace 3
sees "all keys with 'some3' .* 2 shown" 'some3$' 'some30$'
keys Enter
shows_not 'low1$' || fail "the filter"
keys / C-u l a
sees "with 'la' .* 2 shown" 'later2$'
keys Escape
sees "with 'some3'"
keys / C-u '\x1b'
sees '\\x1b]0;evil\\x07$' ' 1 shown'
keys C-u Enter
sees '48 shown'
keys t
sees '^ processing keys ' ' 1 shown'
keys t t t
sees '^ buried keys ' ' 3 shown'
keys t t s
sees '^ all keys +by age'
keys s s s
sees '^ all keys +by key +48 shown' '^ buried .*bad1$'
keys S
sees 'by key, backwards' '^ ready .*some9$'
keys s t t t t
sees '^ buried keys +by queue, backwards'
keys S
ok "filter, state, order"

keys Down x
sees "remove 'bad2'\?  \(y/n\)"
keys n
sees 'nothing was done'
expect_figure buried 3
keys x
sees "remove 'bad2'\?"
keys y
sees "removed 'bad2'" ' 2 shown'
expect_figure buried 2
keys Home k
sees "kicked 'bad1'" ' 1 shown'
expect_figure buried 1
keys K
sees "kick all 1 buried key of '$queue'\?"
keys y
sees 'kicked 1 key$' 'No such key'
expect_figure buried 0
keys K
sees 'no key is buried'
keys t t Home k
sees 'is not buried'
keys p
sees "pause '$queue'.*\(y/n\)"
keys Escape
sees 'nothing was done'
expect_figure paused no
keys p
sees "pause '$queue'.*\(y/n\)"
keys y
sees "$queue +PAUSED"
expect_figure paused yes
keys b p
sees 'unpaused' "$queue +$open"
expect_figure paused no
ok "remove, kick, pause"

# What another process holds for good is waited for only so long.
mkfifo "$scratch/hold"
"$WORKQ_BUILDDIR/tests/cli/hold_lock" "$queue" <"$scratch/hold" >"$scratch/holder" &
holder=$!
later $holder
exec 9>"$scratch/hold"
eventually has_lines "$scratch/holder" 1
keys p
sees 'y/n'
keys y
sees "lock held by process $holder,"
sees "Locked by process $holder for [0-9.ms]+: resume it \(kill -CONT $holder\)" "queue   $queue +locked "
keys i
sees 'some1$'
exec 9>&-
ended $holder
ok "a stuck queue is watched all the same"

# ---- The queue goes, and comes again

keys b
echo go >"$scratch/go"
workq shutdown "$queue"
sees 'SHUT DOWN'
# Two signals that are not the same, because of two that are one may be lost.
kill -TERM $worker
kill -INT $worker
ended $worker
workq rm --force "$queue"
sees "$queue   GONE for [0-9.a-z]+; waiting for it" 'this is its last state'
keys p y
sees 'was removed or created again; nothing was done'
workq create "$queue"
seq 1 20000 | workq add "$queue"
sees "$queue   created again" '^ ready +20000 '
keys i
sees '1000 shown; [0-9.k]+ of 20000 keys were read' '^ ready .* 1$'
keys End
sees '^ ready .* 1000$'
workq rm --force "$queue"
sees 'GONE'
workq create "$queue"
sees 'No such key'
keys q
ends 0
LC_ALL=C grep -q "$(printf '\033')\\[[0-9;]*31m" "$scratch/raw" || fail "no colours where there might be some"
! LC_ALL=C grep -q "$(printf '\033')\\]0;evil" "$scratch/raw" || fail "a key's control characters reached the terminal"
# A file that was cut off since the last look is not touched.
terminal 24 80 workq top "$queue" --interval 1h
sees '^ ready +0 ' 'added +0 '
: >"/dev/shm/workq.$queue"
keys Space
sees "$queue   ERROR: not a queue"
rm "/dev/shm/workq.$queue"
workq create "$queue"
keys Space
sees "$queue   created again"
keys q
ends 0
ok "a queue that goes and comes"

# ---- All queues

for name in a b; do workq create "$queue-list$name"; done
workq add "$queue-listb" x y z
# So wide that no name is cut.
terminal 24 280 workq top --interval 100ms
# Other tests' queues are there, too: the one that is chosen is shown in reverse.
escape=$(printf '\033')
attribute="$escape\\[[0-9;]*m"
chosen() {
  tm capture-pane -p -e -t t |
    sed -n "3,22{/^\($attribute\)*$escape\[\(0;\)\{0,1\}7m\($attribute\)* /{s/$attribute//g;s/^ //;s/ .*//;p;};}"
}
has_chosen() { [ "$(chosen)" = "$1" ]; }
has_left() { [ -n "$(chosen)" ] && ! has_chosen "$1"; }
sees 'workq top +[0-9]+ queues' '^ QUEUE +READY'
eventually has_left ''
until has_chosen "$queue-listb"; do
  # Between two drawings there may be none.
  eventually has_left ''
  at=$(chosen)
  keys Down
  eventually has_left "$at"
done
sees "^ $queue-listb +3 +0 +0 +0 +[0-9.-]+ +[0-9.-]+ +$open"
keys p
sees "pause '$queue-listb'"
keys y
sees "^ $queue-listb +3 .* paused"
expect_figure paused yes "$queue-listb"
workq create "$queue-lista2"
sees "^ $queue-lista2 "
eventually has_chosen "$queue-listb"
keys Enter
sees "^ queue   $queue-listb +PAUSED" '^ ready +3 '
keys Escape
sees '^ QUEUE +READY'
workq rm --force "$queue-listb"
eventually shows_not "^ $queue-listb"
keys C-c
ends 0
ok "all queues"

# ---- However it ends

for signal in TERM HUP QUIT; do
  terminal 24 80 workq top "$queue"
  sees '^ ready +0 '
  kill -$signal "$(top_pid)"
  ends 0
done
terminal 24 80 workq top "$queue"
sees '^ ready +0 '
kill -ABRT "$(top_pid)"
ends 134
# As when a file is cut off at the moment when it is looked at.
terminal 24 80 workq top "$queue"
sees '^ ready +0 '
kill -BUS "$(top_pid)"
ends 1
grep -q 'file was truncated' "$scratch/said" || fail "SIGBUS: $(cat "$scratch/said")"
# Stopped and continued by a shell.
terminal 24 80 sh -im
keys "workq top '$queue'" Enter
sees '^ ready +0 '
pid=$(pgrep -P "$(top_pid)")
keys C-z
eventually is_stopped "$pid"
eventually on_alternate 0
keys fg Enter
sees '^ ready +0 '
on_alternate 1 || fail "it goes on without the alternate screen"
keys q
eventually on_alternate 0
keys exit Enter
ends 0
ok "signals"

# ---- The terminal goes

# As when its window is closed: SIGHUP and SIGCONT come, more than once.
alive_pipe
terminal 24 80 sh -c 'exec "$@" 7>"$0"' "$scratch/alive" "$WORKQ" top "$queue"
sees '^ ready +0 '
tm kill-session -t t
all_gone || fail "it runs on without its terminal"
# In a session of its own it gets no signal, and only sees that nothing comes any more.
alive_pipe
terminal 24 80 setsid sh -c '"$@" 7>"$0"; echo $? >"$0-status"' "$scratch/alive" "$WORKQ" top "$queue"
sees '^ ready +0 '
tm kill-session -t t
all_gone || fail "it runs on at the end of its input"
eventually test -s "$scratch/alive-status"
[ "$(cat "$scratch/alive-status")" = 0 ] || fail "status $(cat "$scratch/alive-status") where the input has ended"
# The screen goes, and the keyboard, which is another terminal's, stays.
alive_pipe
tm new-session -d -s keyboard sh -c 'tty >"$0-tty"; exec cat' "$scratch/alive"
eventually test -s "$scratch/alive-tty"
terminal 24 80 setsid sh -c 'exec "$@" 7>"$0" <"$(cat "$0-tty")"' "$scratch/alive" "$WORKQ" top "$queue"
sees '^ ready +0 '
tm kill-session -t t
all_gone || fail "it runs on without its screen"
tm kill-session -t keyboard
ok "the terminal goes"

# ---- Plain terminals

utf8=C
workq add "$queue" one
for plain in NO_COLOR=1 TERM=vt100; do
  terminal 24 80 env $plain LC_ALL=C "$WORKQ" top "$queue" --interval 100ms
  sees '^ ready +1 ' '####'
  keys i q
  ends 0 "${plain#TERM=}"
  ! LC_ALL=C grep -q "$(printf '\033')\\[[0-9;]*3[0-9]m" "$scratch/raw" || fail "colours with $plain"
  ! LC_ALL=C grep -q "$(printf '[\200-\377]')" "$scratch/raw" || fail "bytes that are not ASCII with $plain"
done
ok "no colours, no blocks"

# ---- What a worker runs, whole keys

[ "$utf8" = C ] && [ "$(env LC_ALL=C.UTF-8 locale charmap 2>/dev/null)" = UTF-8 ] && utf8=C.UTF-8
workq rm --force "$queue"
workq create "$queue" --capacity 5000 --key-max 300 --max-retries 3 --max-crashes 7 --give-up drop \
  --limiter exp:1s:1h:3,bucket:10/s:100
long=$(printf 'begin-%0250d-end' 0)
printf 'word\nlater\n' | workq add "$queue"
workq add "$queue" --after 1h "$long"
mkfifo "$scratch/go2"
# shellcheck disable=SC1003
workq run "$queue" -q -- sh -c "read -r word <'$scratch/go2' #" 'a b' &
worker=$!
later $worker
# Without a handle, so that those of the workers are the first two.
eventually sh -c 'workq dump --raw "$0" | grep -q "^processing .* word$"' "$queue"
terminal 24 80 workq top "$queue" --interval 100ms
sees 'keys 3 of 5000 \(0.1%\), of at most 300 bytes' '3 retries, then drop +7 crashes, then bury' \
  'limiter exp:1s:1h:3,bucket:10/s:100'
keys w
sees '[0-9] +sh -c .read -r.* +supervises ' '[0-9] +sh -c .read -r.* +works .*  word$'
keys Down Enter
sees '^ worker +pid [0-9]+, thread [0-9]+, handle 1, for ' "^ command +sh -c 'read -r" "^ process +.*workq run $queue -q -- sh" \
  '^ runs now +pid [0-9]+: sh -c' '^ 1 key in flight:' 's  word$'
keys Escape i
sees 'KEY$' '^ delayed .* begin-0+(\.\.|…)0+-end$'
# A heading stands over its column.
screen >"$scratch/out"
awk '/^ STATE/ { end = index($0, "DUE IN") + 5 } /^ delayed/ { text = substr($0, 1, end); found = text ~ /[0-9][ms]$/ &&
  substr($0, end + 1, 1) == " " } END { exit !found }' "$scratch/out" || fail "the heading is not over its column"
keys End Enter
sees "^ key +$((${#long})) bytes:" '^ begin-0+$' '^ 0+-end$' '^ state +delayed, ' 'due in (1h00|59)m' '^ failures +0, crashes 0$'
[ "$(screen | tr -d ' \n' | grep -c "$long")" = 1 ] || fail "the key is not whole"
workq remove "$queue" "$long"
sees 'it is not in the queue any more'
keys Escape
sees '^ STATE' 'later$'
keys q
ends 0
ok "what a worker runs, whole keys"

# A text that has not enough space can be scrolled.
terminal 10 40 workq top "$queue" --interval 100ms
sees '^ ready 1'
keys '?'
sees '^ Up Down PgUp' ' [0-9]+ rows more: Down$'
keys End
sees '10 s at least'
shows_not 'rows more' || fail "it says that there is more where there is none"
keys Home
sees '^ Up Down PgUp'
keys q q
ends 0
echo go >"$scratch/go2"
kill -TERM $worker
# It may have ended already.
kill -INT $worker 2>/dev/null || :
ended $worker
ok "texts that are scrolled"

# ---- Who does no work

workq rm --force "$queue"
workq create "$queue"
workq add "$queue" key
terminal 24 280 workq top --interval 100ms
sees "^ $queue +1 .* no worker$"
keys q
ends 0
terminal 24 80 workq top "$queue" --interval 100ms
sees "queue   $queue +no worker " 'Keys are ready, but no worker takes them'
keys q
ends 0
ok "no worker"

# ---- Characters

if [ "$utf8" = C ]; then
  echo "SKIPPED: there is no UTF-8 locale here"
  exit 0
fi
workq rm --force "$queue"
workq create "$queue"
name=$queue-Größe
workq create "$name"
# Of one column, of two, one that combines; then bytes that are no character, a control character, one that changes the order
# of the others, a blank that is none, a mark without a character, and a backslash.
umlaut=$(printf 'h\303\266hle') wide=$(printf '\346\227\245\346\234\254') accent=$(printf 'cafe\314\201')
printf '%s\n' "$umlaut" "$wide" "$accent" | workq add "$queue"
printf 'bad\377\376\0tab\there\0rtl\342\200\256x\0nb\302\240sp\0\314\201mark\0back\\303' | workq add "$queue" -0
terminal 24 80 workq top "$queue" --interval 100ms
sees "$queue"
keys i
sees "^ ready +0?.* $umlaut$" " $wide$" " $accent$" ' bad\\xff\\xfe$' ' tab\\x09here$' ' rtl\\xe2\\x80\\xaex$' \
  ' nb\\xc2\\xa0sp$' ' \\xcc\\x81mark$' ' back\\\\303$'
keys / "$wide"
sees "with '$wide'" ' 1 shown'
keys BSpace BSpace h
sees ' 2 shown'
keys C-u '\xff'
sees ' 1 shown' 'bad\\xff'
keys Enter Home Enter
sees '^ bad\\xff\\xfe$'
keys q
ends 0
# Columns stay where they are, however wide the characters: those behind a name of any kind begin at the same place.
for more in "$wide$wide" "$accent-"; do workq create "$queue-$more"; done
terminal 24 280 workq top --interval 100ms
sees "^ $queue-$wide$wide +0 +0 " "^ $queue-$accent- +0 +0 " "^ $name +0 +0 "
keys q
ends 0
terminal 50 200 workq ls
ends 0
sees "^$queue-$wide$wide +0 +0 " "^$name +0 +0 "
# With as many letters as the names have columns the states are in one place.
screen | sed -n "s/^$queue-$wide$wide/$queue-xxxxxxxx/; s/^$queue-$accent-/$queue-xxxxx/; s/^$name/$queue-xxxxx/; s/^\($queue-xxxx.*\)/\1/p" |
  awk '{ print index($0, "  open") }' | sort -u >"$scratch/places"
[ "$(wc -l <"$scratch/places")" = 1 ] || fail "ls: columns are not straight"
terminal 50 80 workq dump "$queue"
ends 0
sees "^ready +key $umlaut$" "key $wide$" "key $accent$" 'key bad\\xff\\xfe$' 'key rtl\\xe2\\x80\\xaex$' 'key back\\\\303$' \
  '^ +deaths +0 workers reaped, '
terminal 60 80 sh -c 'workq kick "$1" "$2"; workq check "$3"; workq stats "$3-none"; workq stats "$3"' sh "$queue" "$umlaut" "$name" 2>&1
sees '^name +cli'
sees "^$name: sound, 0 keys" "^name +$name$"
grep -Fq "key 'h\xc3\xb6hle': not buried" "$scratch/said" || fail "messages in a file: $(cat "$scratch/said")"
# A message on the terminal itself.
terminal 24 80 sh -c 'exec 2>&1; workq kick "$1" "$2"; workq stats "$3-none"' sh "$queue" "$umlaut" "$name"
sees "^workq: key '$umlaut': not buried" "^workq: queue '$name-none' does not exist"
# In pipes it is ASCII whatever the locale.
for words in "dump $queue" ls "stats $name" "check $name"; do
  # shellcheck disable=SC2086
  LC_ALL=$utf8 workq $words >"$scratch/out"
  ! LC_ALL=C grep -q '[^ -~	]' "$scratch/out" || fail "$words: not ASCII in a pipe"
done
ok "characters"
