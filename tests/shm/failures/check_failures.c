/*
 * What the system refuses: each call of the library into the kernel or the C library fails in turn, once or from then on,
 * with each error that it may give; and whoever called the library gets a documented error that says why, or success.
 * Nothing leaks, nothing is lost, nothing half-made is left.  Each suite is in the file <suite>.c.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_failures.h"

#include <sys/mman.h>
#include <sys/wait.h>

/* So many refusals: more than any loop of the library makes tries. */
#define MOST_REFUSED 2000

/* ---- The errors that the header lists ---- */

#define CREATING ENOSPC, EFBIG, ENOMEM, EMFILE, ENFILE, EACCES
#define OPENING  EUCLEAN, EPROTONOSUPPORT, EPERM, EACCES, EUSERS, ENOSPC, ENOMEM, EMFILE, ENFILE

/* system: "and what else mmap(2), open(2) ... may say".  Errors of every call with a handle are apart. */
static const struct promise {
  const char *function;
  bool system;
  int errors[16];
} promises[] = {
    {"create", true, {EEXIST, EINVAL, ENAMETOOLONG, CREATING}},
    {"open", true, {ENOENT, EINVAL, ENAMETOOLONG, OPENING}},
    {"open_or_create", true, {EINVAL, ENAMETOOLONG, EFBIG, EAGAIN, OPENING}},
    {"unlink", false, {ENOENT, EINVAL, ENAMETOOLONG, EACCES, EISDIR}},
    {"list", false, {EMFILE, ENFILE, ENOMEM, EACCES, EIO}},
    {"describe_mismatch", true, {ENOENT, EINVAL, ENAMETOOLONG, OPENING}},
    {"add", false, {EINVAL, EMSGSIZE, ENOSPC, ESHUTDOWN}},
    {"add_after", false, {EINVAL, EMSGSIZE, ENOSPC, ESHUTDOWN}},
    {"add_rate_limited", false, {EINVAL, EMSGSIZE, ENOSPC, ESHUTDOWN}},
    {"add_opts", false, {EINVAL, EMSGSIZE, ENOSPC, ESHUTDOWN, ETIMEDOUT, EINTR}},
    {"add_wait", false, {EINVAL, EMSGSIZE, ENOSPC, ESHUTDOWN, ETIMEDOUT, EINTR}},
    {"add_batch", false, {EINVAL, EMSGSIZE, ENOSPC, ESHUTDOWN}},
    {"get", false, {ETIMEDOUT, ESHUTDOWN, EINTR}},
    {"get_batch", false, {ETIMEDOUT, ESHUTDOWN, EINTR, EINVAL}},
    {"shutdown_drain", false, {ETIMEDOUT, ECANCELED, EINTR}},
    {"iterate", false, {ENOMEM}},
    {"iterate_order", false, {ENOMEM, EINVAL}},
    {"iterate_state", false, {ENOMEM, EINVAL}},
    {"snapshot", true, {ENOSPC, ENOMEM, EFBIG, EMFILE, ENFILE}},
    {"restore", false, {EINVAL, EMSGSIZE, ENOSPC, ESHUTDOWN}},
    {"dump", false, {EIO, ENOMEM}},
    {"check", false, {ENOMEM}},
    {"run", false, {EAGAIN, ENOMEM, EMFILE, EUSERS, ENOSPC, EUCLEAN, EPROTONOSUPPORT, ENFILE, ENODEV}},
    {"pool_start", false, {EAGAIN, ENOMEM, EMFILE, EUSERS, ENOSPC, EUCLEAN, EPROTONOSUPPORT, ENFILE, ENODEV}},
};

static bool lists(const int *errors, int error) {
  for (; *errors; errors++)
    if (*errors == error) return true;
  return false;
}

static bool is_promised(const char *function, int error) {
  static const int of_every_handle[] = {ESTALE, EUCLEAN, ETIMEDOUT, 0};
  if (lists(of_every_handle, error)) return true;
  for (size_t i = 0; i < sizeof promises / sizeof *promises; i++)
    if (strcmp(promises[i].function, function) == 0)
      return lists(promises[i].errors, error) || (promises[i].system && refusals->given[error]);
  return false;
}

/* Where the library has its own word for what the system said. */
static bool tells_of(int error) {
  const bool *given = refusals->given;
  switch (error) {
  case ENOSPC:
    return given[ENOSPC] || given[EINTR] || given[ENOMEM] || given[EDQUOT];
  case ENOMEM:
    return given[ENOMEM] || given[EAGAIN];
  case EAGAIN:
    return given[EAGAIN] || given[EEXIST]; /* the name was there again and again, but never to be opened */
  case EUSERS:
    return given[EAGAIN]; /* the byte of every slot was said to be locked */
  case EUCLEAN:
    return given[ENOTRECOVERABLE];
  default:
    return given[error];
  }
}

void assert_error(const char *function, int rc) {
  ck_assert_msg(refusals->function != NULL, "%s: %d without a reason", function, rc);
  ck_assert_msg(rc > -256 && is_promised(function, -rc), "%s: %d is not documented; %s said %d", function, rc,
                refusals->function, refusals->error);
  ck_assert_msg(tells_of(-rc), "%s: %d is not what %s said: %d", function, rc, refusals->function, refusals->error);
}

/* ---- What is there ---- */

static int draw(void *arg, const workq_info *info) {
  fprintf(arg, "%.*s: %s, priority %d, %u failures, %u crashes, due in %lld\n", (int)info->key_len,
          (const char *)info->key, workq_state_name(info->state), info->priority, info->failures, info->crashes,
          (long long)info->due_in_ns);
  return 0;
}

char *picture(workq *handle) {
  char *text;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  ck_assert_ptr_nonnull(out);
  workq_stats_data s;
  ok(workq_stats(handle, &s));
  fprintf(out, "%u ready, %u processing, %u delayed, %u buried, %u idle, %u keys, %u attached, %u waiting\n", s.ready,
          s.processing, s.delayed, s.buried, s.idle, s.keys, s.attached, s.waiting);
  fprintf(out, "shut down %u, paused %u\n", s.shut_down, s.paused);
  ok(workq_iterate(handle, draw, out));
  ck_assert_int_eq(fclose(out), 0);
  return text;
}

/* Above all that tests add, so that get hands it out, and gone afterwards. */
void assert_usable(workq *handle) {
  static const workq_add_options first = {.priority = 127};
  assert_sound(handle);
  ck_assert_int_eq(workq_add_opts(handle, "usable", 6, &first), 1);
  workq_item item = take_by(handle, "usable");
  ck_assert_int_eq(workq_complete(handle, &item), 0);
}

static void assert_held(struct holdings before, const char *when) {
  struct holdings now = holdings_now();
  const char *said = refusals->function ? refusals->function : "nothing";
  ck_assert_msg(now.blocks == before.blocks, "%s, %s refused: %u blocks, not %u", when, said, now.blocks,
                before.blocks);
  ck_assert_msg(now.mappings == before.mappings && now.segments == before.segments,
                "%s, %s refused: %d mappings, %u of segments, not %d and %u", when, said, now.mappings, now.segments,
                before.mappings, before.segments);
  ck_assert_msg(now.descriptors == before.descriptors, "%s, %s refused: %u descriptors, not %u", when, said,
                now.descriptors, before.descriptors);
  ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "%s, %s refused: a child is left", when, said);
  char path[128];
  snprintf(path, sizeof path, "/dev/shm%s", refusals_temporary);
  ck_assert_msg(!refusals_temporary[0] || access(path, F_OK) != 0, "%s, %s refused: %s is left", when, said, path);
}

/* ---- One refusal after another ---- */

static bool has_failed; /* the last one */

static void refuse_one(const struct scenario *s, unsigned nth, unsigned which, enum refusals_mode mode) {
  struct holdings before = holdings_now();
  if (s->prepare) s->prepare();
  refusals_plan(nth, which, mode);
  int rc = s->run();
  has_failed = rc < 0 && rc != s->expected;
  if (has_failed) assert_error(s->function, rc);
  else
    ck_assert_msg(rc == s->expected, "%s: %d after %s said %d", s->function, rc, refusals->function, refusals->error);
  ck_assert_msg(refusals->careless == NULL, "%s: %s", s->function, refusals->careless);
  s->finish(rc);
  assert_held(before, s->function);
}

/* A create makes the same two calls for each of its many mutexes: where repetitions are to be few, not each of them is refused. */
static unsigned next_call(unsigned nth) {
  unsigned percent = plain_scaled(100);
  return nth < 60 || percent >= 100 ? nth + 1 : nth + 100 / percent;
}

unsigned refuse_each(const struct scenario *s) {
  unsigned refusals_made = 0, failures = 0;
  for (unsigned nth = 1;; nth = next_call(nth)) {
    for (unsigned which = 0;; which++) {
      bool any = false;
      for (unsigned mode = 0; mode < REFUSE_MODES; mode++) {
        refuse_one(s, nth, which, mode);
        if (mode == REFUSE_ONCE && refusals->seen < nth) {
          printf("%s: %u calls, refused in %u ways, %u of them an error\n", s->function, nth - 1, refusals_made,
                 failures);
          return nth - 1;
        }
        if (!refusals->function) continue;
        any = true;
        refusals_made++;
        failures += has_failed;
      }
      if (!any) break;
    }
  }
}

static void refuse_nothing(void) {
  *refusals = (struct refusals){.most = MOST_REFUSED};
}

TCase *failures_case(Suite *suite, const char *words) {
  TCase *tcase = fixture_case(suite, words);
  tcase_add_checked_fixture(tcase, refuse_nothing, NULL);
  return tcase;
}

int main(void) {
  static suite_maker *const suites[] = {handles_suite, operations_suite, processes_suite};
  refusals = mmap(NULL, sizeof *refusals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (refusals == MAP_FAILED) return EXIT_FAILURE;
  return fixture_run("check-failures", suites, sizeof suites / sizeof *suites);
}
