#!/bin/sh
# stats --prometheus: what Prometheus' own tool reads in it, for one queue and for all.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
. "$(dirname "$0")/lib.sh"

# has LINE: the last output has it.
has() { grep -Fxq -e "$1" "$scratch/out" || fail "no line: $1"; }
labels="name=\"$queue\",controller=\"$queue\""

workq create "$queue" --limiter none
printf '%s\n' a b c d | workq add "$queue"
workq add "$queue" --priority 7 high
workq add "$queue" --after 1h later
workq run "$queue" --until-empty -- true &
worker=$!
later $worker
eventually figure_is dones 5
expect 0 workq stats --prometheus "$queue"
has '# TYPE workqueue_depth gauge'
has "workqueue_depth{$labels,priority=\"0\"} 0"
has "workqueue_adds_total{$labels} 5"
has "workqueue_retries_total{$labels} 1"
has "workqueue_queue_duration_seconds_count{$labels} 5"
has "workqueue_queue_duration_seconds_bucket{$labels,le=\"+Inf\"} 5"
has "workqueue_work_duration_seconds_count{$labels} 5"
has "workq_delayed{name=\"$queue\"} 1"
grep -q "^workq_next_due_seconds{name=\"$queue\"} 3[0-9][0-9][0-9]\.[0-9]*\$" "$scratch/out" || fail "not due in an hour"
kill $worker
ended $worker
ok "one queue"

# The labels that an exposition must escape.
odd="$queue-\"odd\\name\""
workq create "$odd" --no-metrics
workq add "$odd" x
expect 0 workq stats --prometheus "$odd"
has "workq_ready{name=\"$queue-\\\"odd\\\\name\\\"\"} 1"
! grep -q '_bucket{' "$scratch/out" || fail "times of a queue that measures none"
ok "names are escaped; a queue made with --no-metrics"

# Queues of other tests come and go beside these, and some of them are damaged: that is said, and is no reason for silence.
run_it workq stats --prometheus
[ "$status" -le 1 ] || fail "status $status"
has "workq_delayed{name=\"$queue\"} 1"
has "workq_ready{name=\"$queue-\\\"odd\\\\name\\\"\"} 1"
[ "$(grep -c '^# TYPE workq_ready gauge$' "$scratch/out")" = 1 ] || fail "a head for each queue"
cp "$scratch/out" "$scratch/all"
printf 'nonsense' >"$SHM$queue-broken"
run_it workq stats --prometheus
[ "$status" = 1 ] || fail "status $status with a broken queue"
grep -q "$queue-broken" "$scratch/err" || fail "the broken queue is not named"
has "workq_delayed{name=\"$queue\"} 1"
rm "$SHM$queue-broken"
# One that is stuck keeps nobody's figures back, its own neither, and nobody attaches: that would change it.
mkfifo "$scratch/hold"
"$WORKQ_BUILDDIR/tests/cli/hold_lock" "$queue" <"$scratch/hold" >"$scratch/holder" &
holder=$!
later $holder
exec 9>"$scratch/hold"
eventually has_lines "$scratch/holder" 1
run_it workq stats --prometheus
has "workq_delayed{name=\"$queue\"} 1"
! grep -q "$queue" "$scratch/err" || fail "a queue whose lock is held cannot be looked at"
exec 9>&-
ended $holder
ok "all queues"

expect_error 2 'cannot be combined' workq stats --prometheus --json "$queue"
expect_error 2 "missing queue name|NAME" workq stats
expect_error 1 "queue '$queue-none' does not exist" workq stats --prometheus "$queue-none"
if [ -w /dev/full ]; then
  run_it sh -c "workq stats --prometheus '$queue' >/dev/full"
  [ "$status" = 1 ] || fail "status $status where nothing can be written"
fi
ok "errors"

if ! command -v promtool >/dev/null; then
  echo "SKIPPED: there is no promtool (Debian's prometheus) to read the metrics"
  exit 77
fi
for file in "$scratch/all" "$scratch/one" "$scratch/odd"; do
  [ "$file" != "$scratch/one" ] || workq stats --prometheus "$queue" >"$file"
  [ "$file" != "$scratch/odd" ] || workq stats --prometheus "$odd" >"$file"
  run_it promtool check metrics <"$file"
  [ "$status" = 0 ] && [ ! -s "$scratch/out" ] && [ ! -s "$scratch/err" ] || fail "promtool finds fault with $file"
done
ok "promtool finds no fault"
