/*
 * `workq top`: the pages of one key, of one worker, and the help: texts that are wrapped to the
 * width of the terminal and can be scrolled.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/escape.h"
#include "top.h"

/* ---- Texts --------------------------------------------------------------------------------------------------- */

/* A line that begins so is a name and a text, and is wrapped so that the name stands alone. */
#define NAMED        '\f'
#define NAME_COLUMNS 11

/*
 * The bytes of the text's first line that fit into so many columns; at least one unit.  It is cut
 * behind a blank where that leaves at least half of the columns.
 */
static size_t fitting(const char *text, int width) {
  size_t bytes = 0, blank = 0;
  int columns = 0, wide;
  for (size_t len; text[bytes] != '\n' && (len = escape_unit(text + bytes, &wide)) > 0; bytes += len) {
    if (bytes > 0 && columns + wide > width) return blank > 0 ? blank : bytes;
    columns += wide;
    if (text[bytes] == ' ' && columns > width / 2) blank = bytes + len;
  }
  return bytes;
}

/*
 * Draws a text with line ends, wrapped, from the row of it on that the page's place says; the place
 * is kept within the text.
 */
static void draw_text(struct top_place *place, const char *text) {
  int width = top_columns() - 2, space = top_rows(), rows = 0;
  for (int pass = 0; pass < 2; pass++) {
    int number = 0;
    int indent = 0;
    for (const char *at = text; *at != '\0'; number++) {
      bool named = *at == NAMED;
      if (named) at++;
      size_t len = fitting(at, width - indent);
      if (pass == 1 && number >= place->first && number < place->first + space)
        top_put(TOP_FIRST_ROW + number - place->first, 1 + indent, width - indent, STYLE_PLAIN, "%.*s", (int)len, at);
      at += len;
      if (named && width > 3 * NAME_COLUMNS) indent = NAME_COLUMNS;
      if (*at == '\n') {
        at++;
        indent = 0;
      }
    }
    rows = number;
    if (place->first > rows - space) place->first = rows - space;
    if (place->first < 0) place->first = 0;
  }
  if (place->first + space < rows)
    top_put_right(TOP_FIRST_ROW + space - 1, 1, width, STYLE_FAINT, " %d rows more: Down ",
                  rows - place->first - space);
}

/* A text that is being made, in memory that it takes from the stream's. */
struct making {
  char *text;
  size_t size;
  FILE *out;
};

static bool begin_text(struct making *making) {
  *making = (struct making){.text = NULL};
  making->out = open_memstream(&making->text, &making->size);
  return making->out != NULL;
}

static void put_name(FILE *out, const char *name) {
  fprintf(out, "%c%-*s", NAMED, NAME_COLUMNS, name);
}

static void put_shown(FILE *out, const void *bytes, size_t len) {
  char *text = top_shown(bytes, len);
  fputs(text, out);
  free(text);
}

static void end_text(struct making *making, struct top_place *place) {
  if (fclose(making->out) == 0) draw_text(place, making->text);
  free(making->text);
}

/* ---- A worker ------------------------------------------------------------------------------------------------ */

static void put_child(void *arg, int pid, const char *bytes, size_t len) {
  FILE *out = arg;
  put_name(out, "runs now");
  fprintf(out, "pid %d: ", pid);
  put_shown(out, bytes, len);
  putc('\n', out);
}

/* What it runs, whole. */
static void put_commands(FILE *out, const workq_worker *worker) {
  char bytes[4096], whole[4096];
  size_t len = top_command_of(worker, COMMAND_FULL, bytes, sizeof bytes);
  size_t whole_len = top_command_of(worker, COMMAND_WHOLE, whole, sizeof whole);
  put_name(out, "command");
  put_shown(out, bytes, len);
  putc('\n', out);
  if (len != whole_len || memcmp(bytes, whole, len) != 0) {
    put_name(out, "process");
    put_shown(out, whole, whole_len);
    putc('\n', out);
  }
  top_visit_children(worker, put_child, out);
}

static void put_worker(FILE *out, const struct top *top) {
  const workq_worker *worker = &top->worker;
  char text[TOP_TEXT_SIZE];
  if (!top->worker_is_there) fputs("The worker has ended; this was its last state.\n\n", out);
  put_name(out, "worker");
  fprintf(out, "pid %d, thread %d, handle %" PRIu32 ", for %s\n", worker->pid, worker->tid, worker->slot,
          top_time(text, worker->age_ns));
  put_commands(out, worker);
  put_name(out, "keys");
  fprintf(out, "%" PRIu64 " taken, %" PRIu64 " done, %" PRIu64 " of them failed, %" PRIu64 " given up\n", worker->gets,
          worker->dones, worker->failed, worker->gave_up);
  put_name(out, "adds");
  fprintf(out, "%" PRIu64 ", %" PRIu64 " more coalesced\n", worker->adds, worker->coalesced);
  fprintf(out, "\n%" PRIu32 " key%s in flight%s\n", worker->processing, worker->processing == 1 ? "" : "s",
          worker->processing > 0 ? ":" : "");
  for (uint32_t i = 0; i < top->processing.count && top->worker_is_there; i++) {
    const workq_info *info = &top->processing.items[i].info;
    if (info->pid != worker->pid || info->tid != worker->tid) continue;
    fprintf(out, "%s  ", top_time(text, info->running_ns));
    put_shown(out, info->key, info->key_len);
    putc('\n', out);
  }
}

void top_draw_worker(struct top *top) {
  struct making making;
  if (!begin_text(&making)) return;
  put_worker(making.out, top);
  end_text(&making, &top->places[PAGE_WORKER]);
}

/* ---- A key --------------------------------------------------------------------------------------------------- */

static void put_item(FILE *out, const struct top *top) {
  const workq_info *info = &top->item;
  char text[TOP_TEXT_SIZE];
  put_name(out, "key");
  fprintf(out, "%zu byte%s%s\n", top->chosen_len, top->chosen_len == 1 ? "" : "s",
          top->item_is_there ? ":" : "; it is not in the queue any more, or was not found:");
  put_shown(out, top->chosen, top->chosen_len);
  fputs("\n\n", out);
  if (!top->item_is_there) return;
  put_name(out, "state");
  fprintf(out, "%s", workq_state_name(info->state));
  if (info->waiting_ns >= 0) fprintf(out, ", for %s", top_time(text, info->waiting_ns));
  if (info->due_in_ns >= 0) fprintf(out, ", due in %s", top_time(text, info->due_in_ns));
  putc('\n', out);
  put_name(out, "priority");
  fprintf(out, "%d\n", info->priority);
  put_name(out, "failures");
  fprintf(out, "%" PRIu32 ", crashes %" PRIu32 "\n", info->failures, info->crashes);
  if (info->pid == 0) return;
  put_name(out, "worker");
  fprintf(out, "pid %d, thread %d", info->pid, info->tid);
  if (info->running_ns >= 0) fprintf(out, ", for %s", top_time(text, info->running_ns));
  putc('\n', out);
  const workq_worker *worker = top_worker_of(top, info);
  if (worker != NULL) put_commands(out, worker);
}

void top_draw_item(struct top *top) {
  struct making making;
  if (top->chosen == NULL || !begin_text(&making)) return;
  put_item(making.out, top);
  end_text(&making, &top->places[PAGE_ITEM]);
}

/* ---- Help ---------------------------------------------------------------------------------------------------- */

void top_draw_help(struct top *top) {
  static const char text[] = "Up Down PgUp PgDn Home End   choose, scroll\n"
                             "Enter   open the queue; show the key or the worker whole\n"
                             "Esc b   back\n"
                             "w i     workers; items (keys)\n"
                             "Tab     the next page\n"
                             "/       items whose key has this text\n"
                             "t       items of which state\n"
                             "s S     sort items by another column; the other way round\n"
                             "k K     kick the key; all buried keys of the queue\n"
                             "x       remove the key: what is pending for it, or it when buried\n"
                             "p       pause the queue, or end its pause\n"
                             "Space   read at once\n"
                             "^L      redraw the screen\n"
                             "? h     this help\n"
                             "q       end\n"
                             "\n"
                             "Times are those of the last seconds.  Reading takes neither the\n"
                             "queue's lock nor one of its handles, so a figure may be torn now\n"
                             "and then.  A queue is stuck when keys are ready and none was done\n"
                             "for 10 s.  A key that is processed for long is one that takes ten\n"
                             "times as long as nine of ten keys did, and 10 s at least.\n";
  draw_text(&top->places[PAGE_HELP], text);
}
