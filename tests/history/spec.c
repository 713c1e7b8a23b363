/*
 * The sequential specification; see spec.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spec.h"

#include "workq.h"

#include <errno.h>
#include <string.h>

/* A moment that is known to lie between two, or at once. */
typedef struct due {
  bool at_once;
  int64_t from_ns;
  int64_t to_ns;
} due;

enum { EITHER = -1 };

static int64_t earlier(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int8_t higher(int8_t a, int8_t b) {
  return a > b ? a : b;
}

/* ---- Lists of keys ------------------------------------------------------------------------------------------- */

static void append(uint8_t *list, uint8_t *count, unsigned key) {
  list[(*count)++] = (uint8_t)key;
}

static void take_out(uint8_t *list, uint8_t *count, unsigned key) {
  unsigned kept = 0;
  for (unsigned i = 0; i < *count; i++)
    if (list[i] != key) list[kept++] = list[i];
  list[kept] = 0;
  *count = (uint8_t)kept;
}

static void enter_ready(const spec *s, spec_state *state, unsigned key) {
  spec_key *k = &state->keys[key];
  k->place = SPEC_READY;
  k->pending = SPEC_NOW;
  k->due_from_ns = k->due_to_ns = 0;
  k->holder = 0;
  k->run = 0;
  k->run_priority = 0;
  if (s->only == SPEC_WHOLE) append(state->ready, &state->ready_count, key);
}

static void leave_ready(spec_state *state, unsigned key) {
  take_out(state->ready, &state->ready_count, key);
}

static void vanish(spec_state *state, unsigned key) {
  memset(&state->keys[key], 0, sizeof state->keys[key]);
}

static void leave_idle(spec_state *state, unsigned key) {
  take_out(state->idle, &state->idle_count, key);
}

/* Nothing is pending, nobody has it. */
static void enter_idle_or_vanish(const spec *s, spec_state *state, unsigned key) {
  spec_key *k = &state->keys[key];
  if (k->failures == 0 && k->crashes == 0) {
    vanish(state, key);
    return;
  }
  *k = (spec_key){.place = SPEC_IDLE, .failures = k->failures, .crashes = k->crashes};
  if (s->only == SPEC_WHOLE) append(state->idle, &state->idle_count, key);
}

/* The key at the head of the highest priority; -1 if nothing is ready. */
static int head_of(const spec_state *state) {
  int head = -1;
  for (unsigned i = 0; i < state->ready_count; i++)
    if (head < 0 || state->keys[state->ready[i]].priority > state->keys[head].priority) head = state->ready[i];
  return head;
}

/* ---- Marking ------------------------------------------------------------------------------------------------- */

/* A delayed run is asked for again.  Which of the two times is the earlier may follow from the answer alone. */
static bool mark_delayed(const spec *s, spec_state *state, unsigned key, due when, int want, int *marked) {
  spec_key *k = &state->keys[key];
  if (when.at_once) {
    *marked = 1;
    k->pending = SPEC_NOW;
    k->due_from_ns = k->due_to_ns = 0;
    if (k->place == SPEC_DELAYED) enter_ready(s, state, key);
    return true;
  }
  *marked = want;
  if (want == 1 && when.from_ns >= k->due_to_ns) return false;
  if (want == 0 && when.to_ns < k->due_from_ns) return false;
  if (want == 1) k->due_from_ns = when.from_ns;
  else if (want == EITHER) k->due_from_ns = earlier(k->due_from_ns, when.from_ns);
  k->due_to_ns = earlier(k->due_to_ns, when.to_ns);
  return true;
}

static void mark_fresh(const spec *s, spec_state *state, unsigned key, due when, int8_t priority) {
  spec_key *k = &state->keys[key];
  k->priority = priority;
  if (when.at_once && k->place == SPEC_PROCESSING) {
    k->pending = SPEC_NOW;
  } else if (when.at_once) {
    enter_ready(s, state, key);
  } else {
    k->pending = SPEC_AT;
    k->due_from_ns = when.from_ns;
    k->due_to_ns = when.to_ns;
    if (k->place == SPEC_GONE) k->place = SPEC_DELAYED;
  }
}

/*
 * A pending run is asked for.  want: what the answer has to be, or EITHER.  Sets *marked, EITHER where that cannot be
 * told.  Returns false if the answer cannot be.
 */
static bool mark(const spec *s, spec_state *state, unsigned key, due when, int8_t priority, int want, int *marked) {
  spec_key *k = &state->keys[key];
  *marked = 0;
  if (k->place == SPEC_READY) {
    if (priority <= k->priority) return true;
    k->priority = priority;
    if (s->only != SPEC_WHOLE) return true;
    leave_ready(state, key);
    append(state->ready, &state->ready_count, key);
    return true;
  }
  if (k->pending != SPEC_NOTHING) {
    k->priority = higher(priority, k->priority);
    return k->pending == SPEC_NOW || mark_delayed(s, state, key, when, want, marked);
  }
  if (k->place == SPEC_IDLE) leave_idle(state, key);
  if (k->place == SPEC_IDLE || k->place == SPEC_BURIED) k->place = SPEC_GONE;
  mark_fresh(s, state, key, when, priority);
  *marked = 1;
  return true;
}

/* Counts a failure at a time between the two; when the key is to run again. */
static due fail_between(const spec *s, spec_key *k, int64_t from_ns, int64_t to_ns) {
  const history_rules *rules = &s->h->rules;
  int64_t delay_ns = rules->delay_first_ns;
  for (unsigned i = 0; i < k->failures && delay_ns < rules->delay_max_ns; i++) delay_ns *= 2;
  delay_ns = earlier(delay_ns, rules->delay_max_ns);
  k->failures++;
  return (due){delay_ns == 0, from_ns + delay_ns, to_ns + delay_ns};
}

static due due_of_add(const spec *s, spec_key *k, const spec_op *op) {
  due when = {.at_once = true};
  if (op->op->rate_limited) when = fail_between(s, k, op->call_ns, op->ret_ns);
  if (op->op->delay_ns <= 0) return when;
  due after = {false, op->call_ns + op->op->delay_ns, op->ret_ns + op->op->delay_ns};
  if (!op->op->rate_limited) return after;
  if (when.at_once) return when;
  return (due){false, earlier(when.from_ns, after.from_ns), earlier(when.to_ns, after.to_ns)};
}

static bool is_refusal(int result) {
  return result == -ENOSPC || result == -ETIMEDOUT;
}

/* Is there room for a new key, if need be after an idle one gave way?  One key alone cannot know: the answer says. */
static bool make_room(const spec *s, spec_state *state, const spec_op *op) {
  const history_rules *rules = &s->h->rules;
  if (rules->capacity >= rules->keys) return true;
  if (s->only != SPEC_WHOLE) return !op->known || op->op->any_result || !is_refusal(op->op->result);
  unsigned used = 0;
  for (unsigned i = 0; i < rules->keys; i++) used += state->keys[i].place != SPEC_GONE;
  if (used < rules->capacity) return true;
  if (state->idle_count == 0) return false;
  unsigned oldest = state->idle[0];
  leave_idle(state, oldest);
  vanish(state, oldest);
  return true;
}

/* Does the operation's answer, as far as it is known, agree? */
static bool agrees(const spec_op *op, int result) {
  return !op->known || result == op->op->result;
}

/* Does an add that keeps leave this known key alone? */
static bool is_kept(const spec_key *k) {
  if (k->place == SPEC_GONE) return false;
  return k->place != SPEC_PROCESSING || k->pending != SPEC_NOTHING || k->failures > 0 || k->crashes > 0;
}

static bool apply_add(const spec *s, spec_state *state, const spec_op *op) {
  unsigned key = (unsigned)op->op->key;
  spec_key *k = &state->keys[key];
  bool certain = op->known && !op->op->any_result;
  if (state->flags & SPEC_SHUT_DOWN) return certain && op->op->result == -ESHUTDOWN;
  /* What space there is may have been granted to a waiter that has not come. */
  bool scarce = s->h->rules.capacity < s->h->rules.keys;
  if (k->place == SPEC_GONE && scarce && certain && op->op->result == -ETIMEDOUT) return true;
  if (k->place == SPEC_GONE && !make_room(s, state, op)) return certain && is_refusal(op->op->result);
  if (certain && op->op->result < 0) return false;
  int8_t priority = op->op->keep_priority && k->place == SPEC_PROCESSING ? k->run_priority : op->op->priority;
  if (op->op->keep && is_kept(k)) return !certain || op->op->result == 0;
  int marked;
  due when = due_of_add(s, k, op);
  if (!mark(s, state, key, when, priority, certain ? op->op->result : EITHER, &marked)) return false;
  return !certain || marked == op->op->result;
}

/* ---- Getting and finishing ----------------------------------------------------------------------------------- */

/* Is what get or peek said of "nothing" so? */
static bool nothing_to_get(const spec *s, const spec_state *state, int result) {
  bool ready = s->only == SPEC_WHOLE ? state->ready_count > 0 : state->keys[s->only].place == SPEC_READY;
  bool shut_down = state->flags & SPEC_SHUT_DOWN, paused = state->flags & SPEC_PAUSED;
  if (result == -ESHUTDOWN) return shut_down && !ready;
  /* One key alone does not know what else may be ready. */
  bool any = ready || s->only != SPEC_WHOLE;
  return shut_down ? any && paused : paused || !ready;
}

static bool answer_fits(const spec_key *k, int priority, const history_answer *answer) {
  return priority == answer->priority && k->failures == answer->failures && k->crashes == answer->crashes;
}

static bool apply_get(const spec *s, spec_state *state, const spec_op *op, unsigned process) {
  const history_op *o = op->op;
  if (op->known && o->key == HISTORY_NO_KEY) return nothing_to_get(s, state, o->result);
  if (state->flags & SPEC_PAUSED) return false;
  int key = s->only == SPEC_WHOLE ? head_of(state) : s->only;
  if (key < 0 || (op->known && key != o->key)) return false;
  spec_key *k = &state->keys[key];
  if (k->place != SPEC_READY || (op->known && !answer_fits(k, k->priority, &o->answer))) return false;
  leave_ready(state, (unsigned)key);
  k->place = SPEC_PROCESSING;
  k->pending = SPEC_NOTHING;
  k->run_priority = k->priority;
  k->priority = 0;
  k->holder = (uint8_t)(process + 1);
  k->run = op->number;
  return true;
}

/* Out of its worker's hands: what is pending says where to.  Returns 1 if it became ready. */
static int put_down(const spec *s, spec_state *state, unsigned key) {
  spec_key *k = &state->keys[key];
  k->holder = 0;
  k->run = 0;
  k->run_priority = 0;
  k->removed = false;
  if (k->pending == SPEC_NOW) {
    enter_ready(s, state, key);
    return 1;
  }
  if (k->pending == SPEC_AT) k->place = SPEC_DELAYED;
  else enter_idle_or_vanish(s, state, key);
  return 0;
}

static void bury(spec_key *k) {
  *k = (spec_key){.place = SPEC_BURIED, .priority = k->run_priority, .failures = k->failures, .crashes = k->crashes};
}

/* Only what was added during the run makes the key run again.  Returns 1 if something was. */
static int put_down_by_adds(const spec *s, spec_state *state, unsigned key) {
  bool pending = state->keys[key].pending != SPEC_NOTHING;
  put_down(s, state, key);
  return pending;
}

/* What was pending, and the run again at the time. */
static void again(const spec *s, spec_state *state, unsigned key, due when) {
  int marked;
  mark(s, state, key, when, state->keys[key].run_priority, EITHER, &marked);
}

static int give_up(const spec *s, spec_state *state, unsigned key) {
  spec_key *k = &state->keys[key];
  if (s->h->rules.drop && !k->removed) k->failures = k->crashes = 0;
  if (s->h->rules.drop || k->removed || k->pending != SPEC_NOTHING) return put_down_by_adds(s, state, key);
  bury(k);
  return 0;
}

static bool is_last_run(const spec *s, const spec_key *k) {
  int most = s->h->rules.max_retries;
  return most == WORKQ_NEVER || (most > 0 && k->failures >= most);
}

static int retry(const spec *s, spec_state *state, unsigned key, const spec_op *op) {
  spec_key *k = &state->keys[key];
  if (k->removed) return put_down_by_adds(s, state, key);
  if (is_last_run(s, k)) return give_up(s, state, key);
  again(s, state, key, fail_between(s, k, op->call_ns, op->ret_ns));
  put_down(s, state, key);
  return 1;
}

static int release(const spec *s, spec_state *state, unsigned key) {
  if (!state->keys[key].removed) again(s, state, key, (due){.at_once = true});
  put_down(s, state, key);
  return 0;
}

static int finish(const spec *s, spec_state *state, unsigned key, const spec_op *op) {
  switch (op->op->kind) {
  case OP_RETRY:
    return retry(s, state, key, op);
  case OP_RELEASE:
    return release(s, state, key);
  case OP_GIVE_UP:
    return give_up(s, state, key);
  case OP_COMPLETE:
    state->keys[key].failures = state->keys[key].crashes = 0;
    return put_down(s, state, key);
  default:
    return put_down(s, state, key);
  }
}

static bool apply_finish(const spec *s, spec_state *state, const spec_op *op, unsigned process) {
  const history_op *o = op->op;
  unsigned key = (unsigned)o->key;
  const spec_key *k = &state->keys[key];
  int refusal = 0;
  if (o->kind == OP_DONE_KEY && k->place != SPEC_PROCESSING) refusal = -ENOENT;
  else if (k->holder != process + 1 || (o->kind != OP_DONE_KEY && k->run != o->run)) refusal = -ESTALE;
  if (refusal != 0) return op->known && !o->any_result && o->result == refusal;
  int result = finish(s, state, key, op);
  return o->any_result || agrees(op, result);
}

unsigned spec_held(const spec_state *state, unsigned process) {
  unsigned held = 0;
  for (unsigned i = 0; i < HISTORY_KEYS; i++) held += state->keys[i].holder == process + 1;
  return held;
}

/* The oldest run first; only the first so many, if the process died on the way. */
static bool apply_close(const spec *s, spec_state *state, const spec_op *op, unsigned process, unsigned part) {
  unsigned held = spec_held(state, process), most = op->optional ? part : held;
  if (most > held) return false;
  for (unsigned n = 0; n < most; n++) {
    int oldest = -1;
    for (int i = 0; i < HISTORY_KEYS; i++) {
      if (state->keys[i].holder != process + 1) continue;
      if (oldest < 0 || state->keys[i].run < state->keys[oldest].run) oldest = i;
    }
    release(s, state, (unsigned)oldest);
  }
  return true;
}

/* ---- By name ------------------------------------------------------------------------------------------------- */

static int forget(spec_state *state, unsigned key) {
  spec_key *k = &state->keys[key];
  if (k->failures == 0 && k->crashes == 0) return 0;
  k->failures = k->crashes = 0;
  if (k->place != SPEC_IDLE) return 1;
  leave_idle(state, key);
  vanish(state, key);
  return 1;
}

static int remove_key(spec_state *state, unsigned key) {
  spec_key *k = &state->keys[key];
  if (k->place == SPEC_GONE) return 0;
  if (k->place == SPEC_PROCESSING) {
    bool something = !k->removed || k->pending != SPEC_NOTHING || k->failures != 0 || k->crashes != 0;
    *k = (spec_key){
        .place = SPEC_PROCESSING, .holder = k->holder, .run = k->run, .run_priority = k->run_priority, .removed = true};
    return something;
  }
  leave_ready(state, key);
  leave_idle(state, key);
  vanish(state, key);
  return 1;
}

static int kick(const spec *s, spec_state *state, unsigned key) {
  spec_key *k = &state->keys[key];
  if (k->place != SPEC_BURIED) return 0;
  k->failures = k->crashes = 0;
  enter_ready(s, state, key);
  return 1;
}

static int state_of(const spec_key *k) {
  switch (k->place) {
  case SPEC_READY:
    return WORKQ_STATE_READY;
  case SPEC_DELAYED:
    return WORKQ_STATE_DELAYED;
  case SPEC_PROCESSING:
    return k->pending == SPEC_NOW ? WORKQ_STATE_DIRTY : WORKQ_STATE_PROCESSING;
  case SPEC_BURIED:
    return WORKQ_STATE_BURIED;
  case SPEC_IDLE:
    return WORKQ_STATE_IDLE;
  default:
    return -ENOENT;
  }
}

static bool apply_state(const spec *s, const spec_state *state, const spec_op *op) {
  const spec_key *k = &state->keys[op->op->key];
  const history_answer *answer = &op->op->answer;
  if (!op->known) return true;
  if (op->op->result != state_of(k)) return false;
  if (k->place == SPEC_GONE) return true;
  int pid = k->holder != 0 ? s->h->processes[k->holder - 1].pid : 0;
  if (pid != answer->pid || answer->delayed != (k->pending == SPEC_AT)) return false;
  int priority = k->pending == SPEC_NOTHING ? k->run_priority : k->priority;
  /* Of keys that nothing is pending for the priority is nobody's business. */
  if (k->place == SPEC_IDLE || k->place == SPEC_BURIED) priority = answer->priority;
  return answer_fits(k, priority, answer);
}

static bool apply_peek(const spec *s, const spec_state *state, const spec_op *op) {
  const history_op *o = op->op;
  if (!op->known) return true;
  bool paused = state->flags & SPEC_PAUSED;
  if (o->key == HISTORY_NO_KEY) {
    bool ready = s->only == SPEC_WHOLE ? state->ready_count > 0 : state->keys[s->only].place == SPEC_READY;
    return paused || !ready;
  }
  int key = s->only == SPEC_WHOLE ? head_of(state) : s->only;
  if (paused || key != o->key) return false;
  const spec_key *k = &state->keys[key];
  return k->place == SPEC_READY && answer_fits(k, k->priority, &o->answer);
}

/* ---- The queue as a whole ------------------------------------------------------------------------------------ */

static int change_flag(spec_state *state, uint8_t flag, bool set) {
  bool before = state->flags & flag;
  state->flags = (uint8_t)(set ? state->flags | flag : state->flags & ~flag);
  return before;
}

/* Whoever was dead before the call is found. */
static bool apply_reap(const spec *s, const spec_state *state, const spec_op *op) {
  if (!op->known) return true;
  for (unsigned i = 0; i < s->h->process_count; i++) {
    const history_process *p = &s->h->processes[i];
    if (p->killed && p->death_before_ns < op->call_ns && spec_held(state, i) > 0) return false;
  }
  return true;
}

/* Every operation first makes ready what is due. */
static bool overdue(const spec *s, const spec_state *state, int64_t now_ns) {
  if (state->flags & SPEC_SHUT_DOWN) return false;
  for (unsigned i = 0; i < s->h->rules.keys; i++)
    if (state->keys[i].pending == SPEC_AT && state->keys[i].due_to_ns < now_ns) return true;
  return false;
}

static bool apply_to_queue(const spec *s, spec_state *state, const spec_op *op) {
  switch (op->op->kind) {
  case OP_LEN:
    return agrees(op, state->ready_count);
  case OP_SHUTDOWN:
    change_flag(state, SPEC_SHUT_DOWN, true);
    return agrees(op, 0);
  case OP_RESUME:
    return agrees(op, change_flag(state, SPEC_SHUT_DOWN, false));
  case OP_PAUSE:
    return agrees(op, !change_flag(state, SPEC_PAUSED, true));
  case OP_UNPAUSE:
    return agrees(op, change_flag(state, SPEC_PAUSED, false));
  default:
    return apply_reap(s, state, op);
  }
}

static bool apply_to_key(const spec *s, spec_state *state, const spec_op *op) {
  unsigned key = (unsigned)op->op->key;
  switch (op->op->kind) {
  case OP_ADD:
    return apply_add(s, state, op);
  case OP_FORGET:
    return agrees(op, forget(state, key));
  case OP_REMOVE:
    return agrees(op, remove_key(state, key));
  case OP_KICK:
    return agrees(op, kick(s, state, key));
  case OP_NUM_REQUEUES:
    return agrees(op, state->keys[key].failures);
  default:
    return apply_state(s, state, op);
  }
}

bool spec_apply(const spec *s, spec_state *state, const spec_op *op, unsigned process, unsigned part) {
  if (overdue(s, state, op->call_ns)) return false;
  switch (op->op->kind) {
  case OP_GET:
    return apply_get(s, state, op, process);
  case OP_PEEK:
    return apply_peek(s, state, op);
  case OP_CLOSE:
    return apply_close(s, state, op, process, part);
  case OP_DONE:
  case OP_DONE_KEY:
  case OP_COMPLETE:
  case OP_RETRY:
  case OP_RELEASE:
  case OP_GIVE_UP:
    return apply_finish(s, state, op, process);
  default:
    return op->op->key == HISTORY_NO_KEY ? apply_to_queue(s, state, op) : apply_to_key(s, state, op);
  }
}

bool spec_includes(const spec *s, const history_op *op) {
  if (op->no_news) return false;
  if (s->only == SPEC_WHOLE || op->key == s->only) return true;
  return op->key == HISTORY_NO_KEY && op->kind != OP_LEN;
}

/* ---- Steps of nobody ----------------------------------------------------------------------------------------- */

bool spec_promote(const spec *s, spec_state *state, unsigned key, int64_t until_ns) {
  spec_key *k = &state->keys[key];
  if (k->pending != SPEC_AT || k->due_from_ns > until_ns || state->flags & SPEC_SHUT_DOWN) return false;
  /* What is certainly due earlier goes first. */
  for (unsigned i = 0; i < s->h->rules.keys; i++)
    if (state->keys[i].pending == SPEC_AT && state->keys[i].due_to_ns < k->due_from_ns) return false;
  k->due_from_ns = k->due_to_ns = 0;
  k->pending = SPEC_NOW;
  if (k->place == SPEC_DELAYED) enter_ready(s, state, key);
  return true;
}

bool spec_crash(const spec *s, spec_state *state, unsigned key, int64_t from_ns, int64_t until_ns) {
  spec_key *k = &state->keys[key];
  if (k->holder == 0 || from_ns > until_ns) return false;
  state->reaped |= UINT32_C(1) << (k->holder - 1);
  if (k->removed) {
    put_down(s, state, key);
    return true;
  }
  k->crashes++;
  if (s->h->rules.max_crashes > 0 && k->crashes >= s->h->rules.max_crashes) {
    if (k->pending != SPEC_NOTHING) put_down(s, state, key);
    else bury(k);
    return true;
  }
  if (is_last_run(s, k)) {
    give_up(s, state, key);
    return true;
  }
  again(s, state, key, fail_between(s, k, from_ns, until_ns));
  put_down(s, state, key);
  return true;
}

bool spec_evict(const spec *s, spec_state *state, unsigned key) {
  if (s->h->rules.capacity >= s->h->rules.keys || state->keys[key].place != SPEC_IDLE) return false;
  if (s->only == SPEC_WHOLE) {
    if (state->idle[0] != key) return false;
    leave_idle(state, key);
  }
  vanish(state, key);
  return true;
}

/* ---- For people ---------------------------------------------------------------------------------------------- */

static void print_key(FILE *out, const spec_key *k, unsigned key, int64_t base_ns) {
  int state = state_of(k);
  fprintf(out, "  %c %s, priority %d, failures %u, crashes %u", 'a' + key,
          state < 0 ? "unknown" : workq_state_name(state), k->pending == SPEC_NOTHING ? k->run_priority : k->priority,
          k->failures, k->crashes);
  if (k->holder != 0) fprintf(out, ", in the hands of P%d by its #%u", k->holder - 1, k->run);
  if (k->pending == SPEC_AT)
    fprintf(out, ", due between %.1f and %.1f", (double)(k->due_from_ns - base_ns) / 1e3,
            (double)(k->due_to_ns - base_ns) / 1e3);
  fputc('\n', out);
}

void spec_print(FILE *out, const spec *s, const spec_state *state, int64_t base_ns) {
  for (unsigned i = 0; i < s->h->rules.keys; i++)
    if (s->only == SPEC_WHOLE || s->only == (int)i) print_key(out, &state->keys[i], i, base_ns);
  if (state->flags & SPEC_SHUT_DOWN) fprintf(out, "  shut down\n");
  if (state->flags & SPEC_PAUSED) fprintf(out, "  paused\n");
  if (state->ready_count == 0) return;
  fprintf(out, "  ready, oldest first:");
  for (unsigned i = 0; i < state->ready_count; i++) fprintf(out, " %c", 'a' + state->ready[i]);
  fputc('\n', out);
}
