#!/bin/sh
# What is shipped in dist/: the units of systemd, whose commands are run here one after the other as systemd would; the alerts
# and the dashboard, whose metrics must exist.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"
one_build_only "what is shipped is"

dist=$WORKQ_SRCDIR/dist
run_unit=$scratch/workq-run@$queue.service
mkdir "$scratch/state"
for unit in workq-run@ workq-serve; do
  sed "s,@bindir@,$scratch/bin,g" "$dist/systemd/$unit.service.in" >"$scratch/$unit.service"
done
mv "$scratch/workq-run@.service" "$run_unit"
cp "$dist/systemd/workq-serve.socket" "$scratch"

# ---- workq-run@.service ----

# each_line KEY: the commands of the unit under this key, with its specifiers replaced.  Its variables are split into words,
# as the shell does it.
each_line() { sed -n "s,%I,$queue,g; s,%i,$queue,g; s,%S,$scratch/state,g; s,^$1=,,p" "$run_unit"; }
run_lines() {
  each_line "$1" >"$scratch/lines"
  [ -s "$scratch/lines" ] || fail "the unit has no $1"
  while read -r line; do sh -fc "$line" || return; done <"$scratch/lines"
}
# Starts the pool, whose pid is $service, as the unit does.
start() {
  mkdir -p "$scratch/state/workq/$queue" # StateDirectory=
  run_lines ExecStartPre || return
  sh -fc "exec $(each_line ExecStart)" &
  service=$!
  later "$service"
}
# Stops it: KillMode=mixed lets the pool alone have the signal.
stop() {
  kill -TERM "$service"
  ended "$service"
  run_lines ExecStopPost
}
saved=$scratch/state/workq/$queue/saved
each_line KillMode | grep -qx mixed || fail "KillMode is not mixed: commands would be killed by a stop"
each_line StateDirectory | grep -qx "workq/$queue" || fail "another StateDirectory"
! grep -Eq '^(RemoveIPC|DynamicUser|PrivateIPC|PrivatePIDs|PrivateUsers)=' "$run_unit" "$scratch/workq-serve.service" ||
  fail "a unit that has queues of its own"

# A command says that it has begun, and ends when it may.
cat >"$scratch/command" <<'END'
#!/bin/sh
echo "$2" >>"$1/begun"
until [ -e "$1/go" ]; do sleep 0.02; done
echo "$2" >>"$1/finished"
END
chmod +x "$scratch/command"
export CREATE="--max-retries 7 --limiter none" RUN="-j 1 -q" COMMAND="$scratch/command $scratch {}"
start || fail "the first start"
expect_figure max_retries 7
workq add "$queue" a b c
eventually has_lines "$scratch/begun" 1
kill -TERM "$service"
: >"$scratch/go"
ended "$service"
cmp -s "$scratch/begun" "$scratch/finished" || fail "a stop has not let a command finish"
expect_figure processing 0
rm "$scratch/go"
workq add "$queue" d e
run_lines ExecStopPost
ok "a start and a stop"

# The machine is restarted: what was saved is there, once.
[ -s "$saved" ] || fail "nothing was saved"
cp "$saved" "$scratch/old"
keys=$(figure keys)
begun=$(wc -l <"$scratch/begun")
workq rm --force "$queue"
start || fail "the start after a reboot"
[ ! -e "$saved" ] || fail "the file could be loaded again"
eventually has_lines "$scratch/begun" $((begun + 1))
expect_figure keys "$keys"
kill -KILL "$service" # as the machine would be lost: nothing is saved
ended "$service"
# Here, unlike there, the worker lives on and finishes its key.
: >"$scratch/go"
workers_gone() { ! pgrep -f "$scratch/command " >/dev/null; }
eventually workers_gone
workq rm --force "$queue"
start || fail "the start after a crash"
expect_figure keys 0
stop
ok "a reboot, and a crash of the machine"

# A restart of the service alone: the queue has lived on, and is newer than the file.
workq add "$queue" d e
workq save "$queue" "$saved-2"
mv "$saved-2" "$saved"
workq remove "$queue" d e
start || fail "a restart"
expect_figure keys 0
[ ! -e "$saved" ] || fail "an old file is left"
stop
rm -f "$saved"
ok "a restart of the service"

# What cannot be loaded is not overwritten by what the queue has instead.
head -n 2 "$scratch/old" >"$saved"
cp "$saved" "$scratch/cut"
! start 2>"$scratch/err" || fail "a start with a file that cannot be loaded"
grep -q 'truncated' "$scratch/err" || fail "it does not say why"
! run_lines ExecStopPost 2>"$scratch/err" || fail "a file that was not loaded is saved over"
cmp -s "$saved" "$scratch/cut" || fail "a file that was not loaded is lost"
rm "$saved"
# Nor does a queue with other options start.
CREATE="--max-retries 8"
! start 2>"$scratch/err" || fail "a start with other options"
grep -q -e '--max-retries is 7, not 8' "$scratch/err" || fail "the options that differ are not named"
workq rm "$queue"
ok "starts that fail"

# ---- Metrics ----

workq create "$queue"
workq add "$queue" key
workq run "$queue" --until-empty -- true
workq stats --prometheus "$queue" | sed -n 's/^\(workq[a-z_]*\){.*/\1/p' | sort -u >"$scratch/metrics"
[ "$(wc -l <"$scratch/metrics")" -gt 30 ] || fail "hardly a metric"
# exist WHAT: each metric on standard input is among them.
exist() {
  grep -oE '\bworkq(ueue)?_[a-z_]+' | sort -u >"$scratch/used"
  [ -s "$scratch/used" ] || fail "$1 uses no metric"
  unknown=$(comm -23 "$scratch/used" "$scratch/metrics")
  [ -z "$unknown" ] || fail "$1 uses metrics that workq does not have: $unknown"
}
sed -n 's/^ *expr: //p' "$dist/prometheus.rules.yml" | exist "an alert"
grep -E '^ *"(expr|query|definition)": ' "$dist/grafana-dashboard.json" | grep -v '"prometheus"' | exist "the dashboard"
[ "$({ tr -d '\n' <"$dist/grafana-dashboard.json" && echo; } | "$WORKQ_BUILDDIR/tests/cli/json_lines" title)" = '"workq"' ] ||
  fail "the dashboard is no JSON"
# An alert and its test have the same name.
for alert in $(sed -n 's/^ *- alert: //p' "$dist/prometheus.rules.yml"); do
  grep -q "alertname: $alert\$" "$WORKQ_SRCDIR/tests/cli/alerts.yml" || fail "no test of the alert $alert"
done
ok "metrics of the alerts and the dashboard"

skipped=
if command -v promtool >/dev/null; then
  cp "$dist/prometheus.rules.yml" "$WORKQ_SRCDIR/tests/cli/alerts.yml" "$scratch"
  expect 0 promtool check rules "$scratch/prometheus.rules.yml"
  expect 0 promtool test rules "$scratch/alerts.yml"
  ok "promtool: the alerts fire when they should"
else
  skipped="promtool (Debian's prometheus) to try the alerts"
fi

if command -v systemd-analyze >/dev/null; then
  run_it systemd-analyze verify --man=no "$run_unit" "$scratch/workq-serve.service" "$scratch/workq-serve.socket"
  [ "$status" = 0 ] && ! grep "$scratch" "$scratch/err" || fail "systemd-analyze finds fault with a unit"
  ok "systemd-analyze finds no fault with the units"
else
  skipped="${skipped:+$skipped, and no }systemd-analyze (Debian's systemd) to read the units"
fi
[ -z "$skipped" ] || {
  echo "SKIPPED: there is no $skipped"
  exit 77
}
