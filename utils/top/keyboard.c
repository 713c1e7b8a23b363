/*
 * `workq top`: what each key of the keyboard does.  What changes a queue opens a handle as every
 * other command does, for that moment, and only if the queue is still the one that was on the
 * screen.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ncurses.h>

#include "common/escape.h"
#include "top.h"

#define CONTROL(letter) ((letter)&0x1f)
#define ESCAPE          27

void top_tell(struct top *top, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(top->message, sizeof top->message, format, arguments);
  va_end(arguments);
}

/* Space for that: forty characters, and what combines with them. */
#define SHORT_SIZE 256

/* Bytes as text, cut to some forty columns; size is that of out. */
static void shorten(char *out, size_t size, const void *bytes, size_t len) {
  top_shorten(out, size, bytes, len, 40);
}

/* ---- Choosing ------------------------------------------------------------------------------------------------ */

/*
 * The queue that an action is about: the one that is shown, or that is chosen in the list; null for
 * none.
 */
static struct top_queue *target_of(const struct top *top) {
  if (top->queue != NULL) return top->queue;
  int selected = top->places[PAGE_QUEUES].selected;
  return selected >= 0 && selected < top->queue_count ? top->queues[selected] : NULL;
}

static void forget_chosen(struct top *top) {
  free(top->chosen);
  top->chosen = NULL;
}

static const workq_info *selected_item(const struct top *top) {
  int selected = top->places[PAGE_ITEMS].selected;
  if (top->page != PAGE_ITEMS || selected < 0 || selected >= (int)top->items.count) return NULL;
  return &top->items.items[selected].info;
}

/* From now on the key of the selected row stays selected, wherever it goes. */
static const workq_info *choose_selected(struct top *top) {
  if (top->page == PAGE_ITEM) return top->chosen != NULL ? &top->item : NULL;
  const workq_info *info = selected_item(top);
  forget_chosen(top);
  if (info == NULL) return NULL;
  top->chosen = malloc(info->key_len + 1);
  if (top->chosen == NULL) return NULL;
  memcpy(top->chosen, info->key, info->key_len);
  top->chosen_len = info->key_len;
  return info;
}

static int rows_of_page(const struct top *top) {
  if (top->page == PAGE_QUEUES) return top->queue_count;
  return top->page == PAGE_WORKERS ? (int)top->workers.count : (int)top->items.count;
}

static void move_to(struct top *top, int row) {
  struct top_place *place = &top->places[top->page];
  int last = rows_of_page(top) - 1;
  if (row > last) row = last;
  if (row < 0) row = 0;
  place->selected = row;
  /* The first row stays the first row, whichever key is there. */
  if (top->page == PAGE_ITEMS && row > 0) choose_selected(top);
  else if (top->page == PAGE_ITEMS) forget_chosen(top);
}

/* A page that is a text scrolls; drawing it keeps its place within the text. */
static bool is_text(enum top_page page) {
  return page == PAGE_WORKER || page == PAGE_ITEM || page == PAGE_HELP;
}

static bool move_key(struct top *top, int key) {
  struct top_place *place = &top->places[top->page];
  bool text = is_text(top->page);
  int at = text ? place->first : place->selected;
  int page = top_rows() > 4 ? top_rows() - 3 : 1;
  switch (key) {
  case KEY_UP:
    at--;
    break;
  case KEY_DOWN:
    at++;
    break;
  case KEY_PPAGE:
    at -= page;
    break;
  case KEY_NPAGE:
    at += page;
    break;
  case KEY_HOME:
    at = 0;
    break;
  case KEY_END:
    at = text ? INT_MAX / 2 : rows_of_page(top);
    break;
  default:
    return false;
  }
  if (text) place->first = at;
  else move_to(top, at);
  return true;
}

/* ---- Pages --------------------------------------------------------------------------------------------------- */

static void show(struct top *top, enum top_page page) {
  if (page != PAGE_QUEUES && page != PAGE_HELP && top->queue == NULL) top->queue = target_of(top);
  if (page != PAGE_QUEUES && page != PAGE_HELP && top->queue == NULL) return;
  if (page == PAGE_QUEUES) {
    top->queue = NULL;
    top->places[PAGE_ITEMS] = top->places[PAGE_WORKERS] = (struct top_place){0, 0};
    top->query.filter[0] = '\0';
    forget_chosen(top);
  }
  top->page = page;
  top_read_items(top);
}

/* The key, or the worker, of the selected row, whole. */
static void show_whole(struct top *top) {
  int selected = top->places[PAGE_WORKERS].selected;
  if (top->page == PAGE_WORKERS && selected < (int)top->workers.count) {
    top->worker = top->workers.workers[selected];
    top->places[PAGE_WORKER] = (struct top_place){0, 0};
    show(top, PAGE_WORKER);
  } else if (choose_selected(top) != NULL) {
    top->places[PAGE_ITEM] = (struct top_place){0, 0};
    show(top, PAGE_ITEM);
  }
}

static void go_back(struct top *top) {
  if (top->page == PAGE_WORKER) show(top, PAGE_WORKERS);
  else if (top->page == PAGE_ITEM) show(top, PAGE_ITEMS);
  else if (top->page == PAGE_WORKERS || top->page == PAGE_ITEMS) show(top, PAGE_QUEUE);
  else if (top->page == PAGE_QUEUE && top->only == NULL) show(top, PAGE_QUEUES);
}

static void go_on(struct top *top) {
  if (top->page == PAGE_QUEUE) show(top, PAGE_WORKERS);
  else if (top->page == PAGE_WORKERS) show(top, PAGE_ITEMS);
  else show(top, PAGE_QUEUE);
}

/* ---- Actions ------------------------------------------------------------------------------------------------- */

/* The process that holds the queue's lock, 0 if none is known. */
static int owner_of_lock(const struct top *top, const char *name) {
  workq *q;
  if (top_open(top, name, WORKQ_RAW, &q) < 0) return 0;
  int owner = workq_lock_owner(q);
  workq_close(q);
  return owner;
}

/* Opens the queue if it is still the one of that incarnation: else -ESTALE. */
static int open_same(const struct top *top, const char *name, uint64_t incarnation, workq **out) {
  workq_stats_data stats;
  int result = top_open(top, name, 0, out);
  if (result < 0) return result == -ENOENT ? -ESTALE : result;
  result = workq_stats(*out, &stats);
  if (result == 0 && stats.incarnation != incarnation) result = -ESTALE;
  if (result < 0) workq_close(*out);
  return result;
}

/* Calls act(), which says how it went, with the queue, and says what went wrong. */
static void with_queue(struct top *top, const char *name, uint64_t incarnation, int (*act)(struct top *top, workq *q)) {
  workq *q;
  char text[SHORT_SIZE];
  shorten(text, sizeof text, name, strlen(name));
  int result = open_same(top, name, incarnation, &q);
  if (result == -ESTALE) {
    top_tell(top, "queue '%s' was removed or created again; nothing was done", text);
    return;
  }
  if (result == 0) {
    result = act(top, q);
    workq_close(q);
  }
  top->read_now = true;
  int owner = result == -ETIMEDOUT ? owner_of_lock(top, name) : 0;
  if (owner > 0) top_tell(top, "queue '%s': lock held by process %d, which is not making progress", text, owner);
  else if (result < 0) top_tell(top, "queue '%s': %s", text, workq_strerror(result));
}

static int act_pause(struct top *top, workq *q) {
  int result = workq_pause(q);
  if (result >= 0) top_tell(top, result > 0 ? "paused" : "already paused");
  return result;
}

static int act_unpause(struct top *top, workq *q) {
  int result = workq_unpause(q);
  if (result >= 0) top_tell(top, result > 0 ? "unpaused" : "was not paused");
  return result;
}

static int act_kick_all(struct top *top, workq *q) {
  int result = workq_kick(q, NULL, 0);
  if (result >= 0) top_tell(top, "kicked %d key%s", result, result == 1 ? "" : "s");
  return result;
}

static int act_kick(struct top *top, workq *q) {
  char text[SHORT_SIZE];
  shorten(text, sizeof text, top->chosen, top->chosen_len);
  int result = workq_kick(q, top->chosen, top->chosen_len);
  if (result >= 0) top_tell(top, result > 0 ? "kicked '%s'" : "'%s' is not buried", text);
  return result;
}

static int act_remove(struct top *top, workq *q) {
  char text[SHORT_SIZE];
  shorten(text, sizeof text, top->chosen, top->chosen_len);
  int result = workq_remove(q, top->chosen, top->chosen_len);
  if (result >= 0) top_tell(top, result > 0 ? "removed '%s'" : "'%s': nothing to remove", text);
  return result;
}

/* ---- Questions ----------------------------------------------------------------------------------------------- */

static void ask(struct top *top, enum top_question question, const struct top_queue *queue) {
  top->question = question;
  snprintf(top->asked_name, sizeof top->asked_name, "%s", queue->name);
  top->asked_incarnation = queue->incarnation;
}

/* "3 buried keys", as many as there are now. */
static const char *buried_keys(const struct top *top, char text[TOP_TEXT_SIZE]) {
  const struct top_queue *queue = target_of(top);
  char count[TOP_TEXT_SIZE];
  uint32_t buried = queue != NULL ? queue->now.measures.stats.buried : 0;
  snprintf(text, TOP_TEXT_SIZE, "%s buried key%s", top_count(count, buried), buried == 1 ? "" : "s");
  return text;
}

void top_question_text(const struct top *top, char *text, size_t size) {
  char count[TOP_TEXT_SIZE], filter[4 * sizeof top->query.filter + 1];
  char name[SHORT_SIZE], key[SHORT_SIZE] = "";
  shorten(name, sizeof name, top->asked_name, strlen(top->asked_name));
  if (top->chosen != NULL) shorten(key, sizeof key, top->chosen, top->chosen_len);
  switch (top->question) {
  case ASK_FILTER:
    escape_restore(filter, top->query.filter);
    snprintf(text, size, "keys with: %s", filter);
    break;
  case ASK_PAUSE:
    snprintf(text, size, "pause '%s': its workers get no more keys?  (y/n)", name);
    break;
  case ASK_KICK_ALL:
    snprintf(text, size, "kick all %s of '%s'?  (y/n)", buried_keys(top, count), name);
    break;
  case ASK_REMOVE:
    snprintf(text, size, "remove '%s'?  (y/n)", key);
    break;
  default:
    *text = '\0';
  }
}

static void answer(struct top *top, int key) {
  enum top_question question = top->question;
  top->question = ASK_NOTHING;
  if (key != 'y' && key != 'Y') {
    top_tell(top, "nothing was done");
    return;
  }
  with_queue(top, top->asked_name, top->asked_incarnation,
             question == ASK_PAUSE      ? act_pause
             : question == ASK_KICK_ALL ? act_kick_all
                                        : act_remove);
}

static void change_filter(struct top *top, const char *filter) {
  snprintf(top->query.filter, sizeof top->query.filter, "%s", filter);
  top->places[PAGE_ITEMS] = (struct top_place){0, 0};
  forget_chosen(top);
  top_read_items(top);
}

static void edit_filter(struct top *top, int key) {
  char filter[sizeof top->query.filter];
  size_t len = strlen(strcpy(filter, top->query.filter));
  if (key == '\n' || key == '\r' || key == KEY_ENTER || key == ESCAPE) {
    top->question = ASK_NOTHING;
    if (key == ESCAPE) change_filter(top, top->filter_before);
    return;
  }
  if (key == CONTROL('u')) {
    len = 0;
  } else if (key == KEY_BACKSPACE || key == CONTROL('h') || key == 0x7f) {
    /* A character of several bytes goes whole. */
    while (len > 0 && (filter[--len] & 0xc0) == 0x80) continue;
  } else if (((key >= ' ' && key < 0x7f) || (top->utf8 && key >= 0x80 && key < 0x100)) && len + 1 < sizeof filter) {
    filter[len++] = (char)key;
  } else {
    return;
  }
  filter[len] = '\0';
  change_filter(top, filter);
}

/* ---- Keys ---------------------------------------------------------------------------------------------------- */

static void pause_key(struct top *top) {
  const struct top_queue *queue = target_of(top);
  if (queue == NULL) return;
  if (queue->now.measures.stats.paused == 0) ask(top, ASK_PAUSE, queue);
  else with_queue(top, queue->name, queue->incarnation, act_unpause);
}

static void kick_all_key(struct top *top) {
  const struct top_queue *queue = target_of(top);
  if (queue == NULL) return;
  if (queue->now.measures.stats.buried == 0) top_tell(top, "no key is buried");
  else ask(top, ASK_KICK_ALL, queue);
}

/* Keys of the page of items that choose which are shown.  Returns whether it was one. */
static bool list_key(struct top *top, int key) {
  switch (key) {
  case 's':
    top->query.sort = (enum top_sort)((top->query.sort + 1) % SORT_COUNT);
    break;
  case 'S':
    top->query.backwards = !top->query.backwards;
    break;
  case 't': {
    static const int next[] = {
        WORKQ_STATE_PROCESSING, WORKQ_STATE_DELAYED, WORKQ_STATE_READY, 0, WORKQ_STATE_BURIED, WORKQ_STATE_IDLE, 0};
    top->query.state = next[top->query.state];
    break;
  }
  case '/':
    ask(top, ASK_FILTER, top->queue);
    snprintf(top->filter_before, sizeof top->filter_before, "%s", top->query.filter);
    return true;
  default:
    return false;
  }
  move_to(top, 0);
  top_read_items(top);
  return true;
}

/* Keys that change the chosen key of the queue.  Returns whether it was one. */
static bool item_key(struct top *top, int key) {
  if (key != 'k' && key != 'x') return false;
  if (choose_selected(top) == NULL) return true;
  if (key == 'k') with_queue(top, top->queue->name, top->queue->incarnation, act_kick);
  else ask(top, ASK_REMOVE, top->queue);
  return true;
}

static void page_key(struct top *top, int key) {
  switch (key) {
  case '\n':
  case '\r':
  case KEY_ENTER:
    if (top->page == PAGE_QUEUES) show(top, PAGE_QUEUE);
    else show_whole(top);
    break;
  case ESCAPE:
  case 'b':
  case KEY_LEFT:
    go_back(top);
    break;
  case '\t':
    go_on(top);
    break;
  case 'w':
    show(top, PAGE_WORKERS);
    break;
  case 'i':
  case '/':
    show(top, PAGE_ITEMS);
    if (key == '/' && top->page == PAGE_ITEMS) list_key(top, key);
    break;
  case 'p':
    pause_key(top);
    break;
  case 'K':
    kick_all_key(top);
    break;
  default:
    break;
  }
}

/* Keys that do the same on all pages.  Returns whether it was one. */
static bool general_key(struct top *top, int key) {
  switch (key) {
  case 'q':
  case 'Q':
    top->over = true;
    return true;
  case '?':
  case 'h':
    top->page_before_help = top->page;
    top->places[PAGE_HELP] = (struct top_place){0, 0};
    top->page = PAGE_HELP;
    return true;
  case ' ':
    top->read_now = true;
    return true;
  case CONTROL('l'):
    clearok(curscr, TRUE);
    return true;
  default:
    return false;
  }
}

/* What was to be said stays until the next key: however long that takes, it cannot be missed. */
static void forget_messages(struct top *top) {
  top->message[0] = '\0';
  for (int i = 0; i < top->queue_count; i++) top->queues[i]->renewed = false;
}

void top_key(struct top *top, int key) {
  forget_messages(top);
  if (top->question == ASK_FILTER) edit_filter(top, key);
  else if (top->question != ASK_NOTHING) answer(top, key);
  else if (top->page == PAGE_HELP) {
    if (!move_key(top, key)) top->page = top->page_before_help;
  } else if (general_key(top, key) || move_key(top, key)) return;
  else if ((top->page != PAGE_ITEMS || !list_key(top, key)) && !item_key(top, key)) page_key(top, key);
}
