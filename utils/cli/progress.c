/*
 * The line that tells how far a long subcommand has come; see progress.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/parse.h"
#include "common/say.h"
#include "common/trust.h"

#define QUIET_NS      (NS_PER_S / 2) /* what is over that soon needs no line */
#define INTERVAL_NS   (NS_PER_S / 5)
#define BAR_MIN       10
#define BAR_MAX       40
#define WIDTH_DEFAULT 80

/*
 * Carriage return, and clear to the end of the line: what every terminal of the last decades does.
 */
#define CLEAR "\r\033[K"

static int terminal_width(void) {
  struct winsize size;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : WIDTH_DEFAULT;
}

/* ---- The text ------------------------------------------------------------------------------------------------ */

/* A rate with three digits or so. */
static void format_rate(char *text, size_t size, double rate) {
  static const char units[] = " kMG";
  size_t unit = 0;
  for (; rate >= 10000 && units[unit + 1] != '\0'; unit++) rate /= 1000;
  snprintf(text, size, "%.*f%.*s/s", rate < 10 ? 1 : 0, rate, unit > 0, &units[unit]);
}

/* The time that the rest will take at the pace so far: a day or more is not known that well. */
static void format_left(char *text, size_t size, const struct progress *progress, double share) {
  char duration[DURATION_TEXT_SIZE];
  *text = '\0';
  double elapsed_ns = (double)(progress->drawn_ns - progress->begun_ns);
  double left_ns = share > 0 ? elapsed_ns * (1 - share) / share : 0;
  if (share <= 0 || left_ns > 86400.0 * NS_PER_S) return;
  format_duration(((int64_t)(left_ns / NS_PER_S) + 1) * NS_PER_S, duration);
  snprintf(text, size, " %s left", duration);
}

/* "[####----]  50%", of what room there is; nothing where it is too small. */
static void format_bar(char *text, size_t size, int room, double share) {
  const int frame = (int)strlen(" [] 100%");
  int bar = room - frame < BAR_MAX ? room - frame : BAR_MAX;
  *text = '\0';
  if (bar < BAR_MIN || (size_t)(bar + frame) >= size) return;
  int full = (int)(share * bar);
  char *end = stpcpy(text, " [");
  for (int i = 0; i < bar; i++) *end++ = i < full ? '#' : '-';
  snprintf(end, size - (size_t)(end - text), "] %3d%%", (int)(share * 100));
}

void progress_format(char *text, size_t size, int width, const struct progress *progress,
                     const struct progress_state *state) {
  char rate[32], failed[48] = "", bar[BAR_MAX + 16] = "", left[DURATION_TEXT_SIZE + 16] = "";
  format_rate(rate, sizeof rate, progress->rate);
  if (state->failed > 0) snprintf(failed, sizeof failed, ", %" PRIu64 " failed", state->failed);
  int len = snprintf(NULL, 0, "%" PRIu64 " %s, %s%s", state->done, progress->word, rate, failed);
  if (state->share >= 0) {
    double share = state->share < 1 ? state->share : 1;
    format_left(left, sizeof left, progress, share);
    format_bar(bar, sizeof bar, width - len - (int)strlen(left), share);
  }
  if (width < 0) width = 0;
  if ((size_t)width >= size) width = (int)size - 1;
  snprintf(text, (size_t)width + 1, "%" PRIu64 " %s, %s%s%s%s", state->done, progress->word, rate, failed, bar, left);
}

/* ---- Drawing ------------------------------------------------------------------------------------------------- */

void progress_begin(struct progress *progress, const char *word, bool shown) {
  *progress = (struct progress){.word = word, .begun_ns = clock_now_ns(), .watcher_input = -1};
  progress->drawn_ns = progress->begun_ns;
  progress->shown = shown && isatty(STDERR_FILENO);
}

static void measure(struct progress *progress, uint64_t done, int64_t time_ns) {
  double seconds = (double)(time_ns - progress->drawn_ns) / NS_PER_S;
  double rate = seconds > 0 ? (double)(done - progress->last_done) / seconds : 0;
  /* Smooth, so that it can be read. */
  progress->rate = progress->visible ? 0.8 * progress->rate + 0.2 * rate : rate;
  progress->last_done = done;
  progress->drawn_ns = time_ns;
}

void progress_update(struct progress *progress, const struct progress_state *state) {
  char text[256];
  if (!progress->shown) return;
  int64_t time_ns = clock_now_ns();
  if (time_ns - progress->begun_ns < QUIET_NS || time_ns - progress->drawn_ns < INTERVAL_NS) return;
  measure(progress, state->done, time_ns);
  /* The last column stays free: there a terminal may begin a new line. */
  progress_format(text, sizeof text, terminal_width() - 1, progress, state);
  progress->visible = true;
  say_over_line(true);
  dprintf(STDERR_FILENO, CLEAR "%s\r", text);
}

void progress_end(struct progress *progress) {
  if (progress->watcher > 0) {
    close(progress->watcher_input);
    while (waitpid(progress->watcher, NULL, 0) < 0 && errno == EINTR) continue;
    progress->watcher = 0;
    say_over_line(false);
  }
  if (progress->visible) dprintf(STDERR_FILENO, CLEAR);
  if (progress->visible) say_over_line(false);
  progress->visible = false;
}

/* ---- Watching a queue ---------------------------------------------------------------------------------------- */

static uint64_t failures_of(const workq_stats_data *stats) {
  return stats->retries + stats->gave_up + stats->crashes;
}

/* Until the pipe's other end is closed, by progress_end() or by the death of the process that works. */
static void watch(struct progress *progress, workq *q, int input) {
  workq_stats_data first, stats;
  struct pollfd watched = {.fd = input, .events = POLLIN};
  if (workq_stats(q, &first) < 0) return;
  while (poll(&watched, 1, INTERVAL_NS / NS_PER_MS) == 0) {
    if (workq_stats(q, &stats) < 0) break;
    uint64_t done = stats.dones - first.dones;
    uint64_t failed = failures_of(&stats) - failures_of(&first);
    uint64_t left = (uint64_t)stats.ready + stats.processing + stats.delayed;
    /* A run that failed is done once more. */
    uint64_t succeeded = done > failed ? done - failed : 0;
    double share = succeeded + left > 0 ? (double)succeeded / (double)(succeeded + left) : 1;
    progress_update(progress, &(struct progress_state){.done = succeeded, .failed = failed, .share = share});
  }
  progress_end(progress);
}

static _Noreturn void become_watcher(struct progress *progress, const char *name, bool shared, int input) {
  workq_options options = {.flags = WORKQ_RAW};
  workq *q;
  trust_others(&options, shared);
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  /* Without its lock and without a slot: the queue does not notice. */
  if (workq_open(name, &options, &q) == 0) {
    watch(progress, q, input);
    workq_close(q);
  }
  _exit(EXIT_SUCCESS);
}

void progress_watch(struct progress *progress, const char *name, bool shared, bool shown) {
  int ends[2];
  progress_begin(progress, "done", shown);
  if (!progress->shown || pipe2(ends, O_CLOEXEC) != 0) return;
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[1]);
    become_watcher(progress, name, shared, ends[0]);
  }
  close(ends[0]);
  if (pid < 0) {
    close(ends[1]);
    return;
  }
  progress->watcher = pid;
  progress->watcher_input = ends[1];
  say_over_line(true);
}
