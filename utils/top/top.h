/*
 * The parts of `workq top` and what they share.
 *
 *   top.c           the arguments
 *   terminal.c      the terminal, signals, the loop; unavailable.c where there is no ncurses
 *   read_queues.c   the figures of queues, which there are, whether one has gone or was made again
 *   read_items.c    workers and keys
 *   process.c       what a worker runs
 *   history.c       earlier samples, to compare with and to plot; what stops the work
 *   format.c        figures as short texts; where the columns of tables are
 *   draw.c          drawing: text that is cut to its space, the frame, tables
 *   page_queue.c    the page of one queue
 *   pages.c         the pages of all queues, of workers and of items
 *   details.c       the pages of one key, of one worker, and the help: texts that can be scrolled
 *   keyboard.c      what each key of the keyboard does
 *
 * All are read by a WORKQ_RAW handle: without a slot and without the queue's lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_TOP_TOP_H
#define WORKQ_UTILS_TOP_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include <workq.h>

#include "format.h"
#include "history.h"

/* The smallest terminal that shows anything of use. */
#define TOP_ROWS_MIN    6
#define TOP_COLUMNS_MIN 30

/* ---- A queue ------------------------------------------------------------------------------------------------- */

struct top_queue {
  char name[WORKQ_NAME_MAX + 1];
  uint64_t incarnation; /* of the queue that is known */
  int error;            /* of the last reading: 0 or -errno; -ENOENT: there is none of this name */
  int64_t lost_ns;      /* since when there is an error */
  bool known;           /* it has been seen, so that what is shown is its last state */
  bool renewed;         /* it was made again since the last key of the keyboard */
  bool has_rates;
  struct sample now;
  struct sample_rates rates;
  struct top_window window;
  struct top_history history;
  struct top_progress progress;
  workq_limiter limiter; /* of the queue that is known */
};

/* ---- Workers and keys ---------------------------------------------------------------------------------------- */

/* Keys that are kept of one reading; there may be more. */
#define TOP_ITEMS_MAX 1000

/* A key that was seen. */
struct top_item {
  workq_info info; /* its key points to this item's own copy */
  uint32_t turn;   /* in the order of the queue */
};

enum top_sort { SORT_QUEUE, SORT_AGE, SORT_PRIORITY, SORT_FAILURES, SORT_KEY, SORT_COUNT };

/* Which keys the page shows, and in which order. */
struct top_query {
  int state; /* WORKQ_STATE_*, 0 for all */
  enum top_sort sort;
  bool backwards;
  char filter[64]; /* what is in the key, as it is shown; empty for all */
  bool utf8;       /* whether characters are shown as such */
  /* Only the key of these bytes, where it is not null. */
  const void *key;
  size_t key_len;
};

/* The keys that were found, in the order asked for. */
struct top_items {
  struct top_item *items; /* space for twice TOP_ITEMS_MAX */
  uint32_t count;
  uint64_t matches; /* keys that fit, of those read */
  uint64_t read;    /* keys read */
  bool all;         /* there were no others */
};

struct top_workers {
  workq_worker *workers;
  uint32_t count, size;
};

/* ---- The program --------------------------------------------------------------------------------------------- */

enum top_page { PAGE_QUEUES, PAGE_QUEUE, PAGE_WORKERS, PAGE_ITEMS, PAGE_WORKER, PAGE_ITEM, PAGE_HELP, PAGE_COUNT };

/* What is asked at the bottom line, if anything. */
enum top_question { ASK_NOTHING, ASK_FILTER, ASK_PAUSE, ASK_KICK_ALL, ASK_REMOVE };

/* A table's place on its page. */
struct top_place {
  int selected; /* row of the table */
  int first;    /* the first that is shown */
};

struct top {
  const char *only; /* the queue's name on the command line; null: all queues */
  bool shared;
  int64_t interval_ns;
  bool utf8;
  bool colours;
  bool over;     /* it is time to end */
  bool read_now; /* not only when the interval is over */

  struct top_queue **queues; /* by name */
  int queue_count;
  int list_error;          /* why the queues could not be listed, 0 or -errno */
  struct top_queue *queue; /* the one that is shown; null on the page of all */

  enum top_page page, page_before_help;
  struct top_place places[PAGE_COUNT];
  struct top_query query;
  struct top_items items;      /* as in query; on the page of items */
  struct top_items processing; /* all that is processed; on the pages of a queue and of workers */
  struct top_workers workers;
  workq_worker worker; /* as it was last seen; on its page */
  bool worker_is_there;
  workq_info item; /* of the chosen key, as it was last seen; on its page */
  bool item_is_there;

  enum top_question question;
  char asked_name[WORKQ_NAME_MAX + 1]; /* the queue that it is about */
  uint64_t asked_incarnation;
  char filter_before[sizeof(((struct top_query *)NULL)->filter)]; /* to go back to */
  char *chosen; /* the key that a question is about, and that stays selected; null for none */
  size_t chosen_len;
  char message[512]; /* what the last key of the keyboard has done; empty for nothing to say */
};

/* Shows everything until it is to end.  Returns the exit status. */
int top_run(struct top *top);

/* ---- read_queues.c */

/* Opens a queue of that name; no words about errors, which are -errno. */
int top_open(const struct top *top, const char *name, uint32_t flags, workq **out);
/* Reads the figures of all queues there are, or of the one that was asked for. */
void top_read_queues(struct top *top);
void top_forget_queues(struct top *top);

/* ---- read_items.c */

/*
 * Reads what the page shows besides the figures: workers and keys.  Without memory for it, it shows
 * less.
 */
void top_read_items(struct top *top);
void top_forget_items(struct top *top);
/* The place of the chosen key among the items, -1 if it is not there. */
int top_find_chosen(const struct top *top);
/* The worker that processes the key; null where it is not known. */
const workq_worker *top_worker_of(const struct top *top, const workq_info *info);
extern const char *const top_sort_names[SORT_COUNT];

/* ---- process.c */

enum top_command {
  COMMAND_SHORT, /* what it runs for keys, or is, in few words */
  COMMAND_FULL,  /* what it runs for keys, or is */
  COMMAND_WHOLE  /* all arguments of its process */
};

/*
 * What the worker runs, as bytes, with a NUL behind; how many.  Where that cannot be read it is the
 * name that the process had when it attached.
 */
size_t top_command_of(const workq_worker *worker, enum top_command which, char *bytes, size_t size);
/* Whether it is the process of `workq run` that starts the workers, and takes no keys itself. */
bool top_is_supervisor(const workq_worker *worker);
/* Calls visit for each process that the worker has started and that runs: its arguments, as bytes. */
void top_visit_children(const workq_worker *worker, void (*visit)(void *arg, int pid, const char *bytes, size_t len),
                        void *arg);

/* ---- draw.c */

enum top_style {
  STYLE_PLAIN,
  STYLE_HEAD,
  STYLE_STRONG,
  STYLE_FAINT,
  STYLE_GOOD,
  STYLE_WARN,
  STYLE_BAD,
  STYLE_CHOSEN,
  STYLE_COUNT
};

void top_draw(struct top *top);
/* Prepares colours and characters; after the screen is there. */
void top_draw_start(const struct top *top);
/* Bytes as the terminal shows them (escape_shown()); to be freed. */
char *top_shown(const void *bytes, size_t len);
/* The same, cut in the middle to so many columns; size is that of out. */
void top_shorten(char *out, size_t size, const void *bytes, size_t len, int width);
/* Text in so many columns: what is longer is cut. */
void top_put(int row, int column, int width, enum top_style style, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* The same, against the right edge of its columns. */
void top_put_right(int row, int column, int width, enum top_style style, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Bytes as text, cut in the middle to the width. */
void top_put_bytes(int row, int column, int width, enum top_style style, const void *bytes, size_t len);
/* A bar of so many columns, of which this share is full. */
void top_put_bar(const struct top *top, int row, int column, int width, double share);

/* Figures one after another, from `left` on in so many columns; what does not fit goes into the next row. */
struct top_flow {
  int left, width;
  int row, column; /* where the next one goes */
};

/* Where rows above `last` are full, it puts nothing. */
void top_flow_put(struct top_flow *flow, int last, enum top_style style, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A table on the screen. */
struct top_table {
  const struct top_column *columns;
  int count;
  struct top_cell cells[TOP_COLUMNS_MAX];
};

/* Places a table's columns, and puts the headings. */
void top_table_start(struct top_table *table, const struct top_column *columns, int count, int row, int at, int space);
/* A cell of a row; nothing where the column is left out. */
void top_table_put(const struct top_table *table, int column, int row, enum top_style style, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void top_table_put_bytes(const struct top_table *table, int column, int row, enum top_style style, const void *bytes,
                         size_t len);
/* Makes the whole row one that is chosen. */
void top_put_chosen(int row);

/*
 * Keeps the table's place within its rows; returns how many rows there are to be shown, at most
 * `space`.
 */
int top_settle(struct top_place *place, int rows, int space);
/* Rows and columns between the head line and the bottom lines. */
int top_rows(void);
int top_columns(void);
/* The first row below the head line. */
#define TOP_FIRST_ROW 1

/* ---- page_queue.c, pages.c, details.c */

void top_draw_queue(struct top *top);
void top_draw_queues(struct top *top);
void top_draw_workers(struct top *top);
void top_draw_items(struct top *top);
void top_draw_worker(struct top *top);
void top_draw_item(struct top *top);
void top_draw_help(struct top *top);
/* How wide what the worker runs is, in few words; and a cell of a table with it. */
int top_command_columns(const workq_worker *worker);
void top_put_command(const struct top_table *table, int column, int row, enum top_style style,
                     const workq_worker *worker);
/* What a queue's state is called, and how it is shown. */
const char *top_state_text(const struct top_queue *queue, char text[TOP_TEXT_SIZE], enum top_style *style);

/* ---- keyboard.c */

/* A key of the keyboard, as getch() gives it. */
void top_key(struct top *top, int key);
/* The question at the bottom as text. */
void top_question_text(const struct top *top, char *text, size_t size);
/* A line at the bottom, until the next key of the keyboard. */
void top_tell(struct top *top, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
