/*
 * `workq top`: reading workers and keys.  However large the queue, reading takes some milliseconds
 * at most for each state: then it shows what it has found, and says that there is more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/escape.h"
#include "common/sigbus.h"
#include "top.h"

/*
 * How long reading the keys of one state may take, and how many keys are passed between readings of
 * the clock.
 */
#define READ_NS    (5 * NS_PER_MS)
#define READ_BLOCK 64u

const char *const top_sort_names[SORT_COUNT] = {"queue", "age", "priority", "failures", "key"};

/* The states that there are lists of, in the order in which they are shown. */
static const int states[] = {WORKQ_STATE_PROCESSING, WORKQ_STATE_READY, WORKQ_STATE_DELAYED, WORKQ_STATE_BURIED,
                             WORKQ_STATE_IDLE};

#define STATES (int)(sizeof states / sizeof states[0])

/* ---- Order --------------------------------------------------------------------------------------------------- */

static int rank_of(int state) {
  int rank = 0;
  if (state == WORKQ_STATE_DIRTY) state = WORKQ_STATE_PROCESSING;
  while (rank < STATES && states[rank] != state) rank++;
  return rank;
}

/* -1 if it is smaller, 1 if it is larger. */
static int compare(int64_t left, int64_t right) {
  return (left > right) - (left < right);
}

static int compare_in_queue(const struct top_item *a, const struct top_item *b) {
  int order = compare(rank_of(a->info.state), rank_of(b->info.state));
  if (order == 0 && a->info.state == WORKQ_STATE_DELAYED) order = compare(a->info.due_in_ns, b->info.due_in_ns);
  return order != 0 ? order : compare(a->turn, b->turn);
}

static int64_t age_of(const struct top_item *item) {
  return item->info.running_ns >= 0 ? item->info.running_ns : item->info.waiting_ns;
}

static int compare_keys(const struct top_item *a, const struct top_item *b) {
  size_t common = a->info.key_len < b->info.key_len ? a->info.key_len : b->info.key_len;
  int order = memcmp(a->info.key, b->info.key, common);
  return order != 0 ? order : compare((int64_t)a->info.key_len, (int64_t)b->info.key_len);
}

/* What is most of interest comes first: old, urgent, often failed. */
static int compare_items(const void *left, const void *right, void *arg) {
  const struct top_item *a = left, *b = right;
  const struct top_query *query = arg;
  int order = 0;
  if (query->sort == SORT_AGE) order = compare(age_of(b), age_of(a));
  if (query->sort == SORT_PRIORITY) order = compare(b->info.priority, a->info.priority);
  if (query->sort == SORT_FAILURES) order = compare(b->info.failures, a->info.failures);
  if (query->sort == SORT_KEY) order = compare_keys(a, b);
  if (order == 0) order = compare_in_queue(a, b);
  return query->backwards ? -order : order;
}

/* ---- Keeping the first of them ------------------------------------------------------------------------------- */

/* A reading in progress. */
struct gathering {
  struct top_items *items;
  const struct top_query *query;
  int state;
  int64_t end_ns;
  uint32_t turn;
  uint32_t wanted; /* keys of this state, where they come in the order asked for */
  uint32_t before; /* keys of other states that are kept */
  bool full;       /* there are TOP_ITEMS_MAX sorted ones; what comes after these is not kept */
};

static void drop_item(struct top_item *item) {
  free((void *)(uintptr_t)item->info.key);
}

static void drop_from(struct top_items *items, uint32_t first) {
  while (items->count > first) drop_item(&items->items[--items->count]);
}

static void sort_items(struct top_items *items, const struct top_query *query) {
  if (items->count > 0)
    qsort_r(items->items, items->count, sizeof *items->items, compare_items, (void *)(uintptr_t)query);
}

static void keep(struct gathering *gathering, const workq_info *info) {
  struct top_items *items = gathering->items;
  struct top_item item = {.info = *info, .turn = gathering->turn};
  if (gathering->full &&
      compare_items(&item, &items->items[TOP_ITEMS_MAX - 1], (void *)(uintptr_t)gathering->query) >= 0)
    return;
  void *key = malloc(info->key_len + 1);
  if (key == NULL) return;
  item.info.key = memcpy(key, info->key, info->key_len);
  items->items[items->count++] = item;
  if (items->count < 2 * TOP_ITEMS_MAX) return;
  sort_items(items, gathering->query);
  drop_from(items, TOP_ITEMS_MAX);
  gathering->full = true;
}

static bool fits(const struct top_query *query, const workq_info *info) {
  if (query->key != NULL) return info->key_len == query->key_len && memcmp(info->key, query->key, query->key_len) == 0;
  if (query->filter[0] == '\0') return true;
  if (strchr(query->filter, '\\') == NULL)
    return memmem(info->key, info->key_len, query->filter, strlen(query->filter)) != NULL;
  /* Escapes as the terminal shows them, and those of pipes. */
  bool found = false;
  for (int utf8 = 0; utf8 < 2 && !found; utf8++) {
    char *text = escape_shown(info->key, info->key_len, utf8 == 1 && query->utf8);
    found = strstr(text, query->filter) != NULL;
    free(text);
  }
  return found;
}

static int visit_item(void *arg, const workq_info *info) {
  struct gathering *gathering = arg;
  struct top_items *items = gathering->items;
  if (++items->read % READ_BLOCK == 0 && clock_now_ns() > gathering->end_ns) return 1;
  gathering->turn++;
  if (!fits(gathering->query, info)) return 0;
  bool in_order = gathering->query->sort == SORT_QUEUE && !gathering->query->backwards;
  if (in_order && items->count - gathering->before >= gathering->wanted) return 1;
  items->matches++;
  keep(gathering, info);
  return 0;
}

static int read_state(workq *q, void *arg) {
  struct gathering *gathering = arg;
  return workq_iterate_state(q, gathering->state, visit_item, gathering);
}

static void gather(workq *q, struct gathering *gathering, int state, uint32_t wanted) {
  gathering->state = state;
  gathering->end_ns = clock_now_ns() + READ_NS;
  gathering->before = gathering->items->count;
  gathering->wanted = wanted;
  if (sigbus_guard(q, read_state, gathering) != 0) gathering->items->all = false;
}

/*
 * Reads the keys that the query asks for; all the others before the ready ones, which may fill what
 * is left.
 */
static void read_items(workq *q, const struct top_query *query, struct top_items *items) {
  drop_from(items, 0);
  *items = (struct top_items){.items = items->items, .all = true};
  if (items->items == NULL) items->items = calloc(2 * (size_t)TOP_ITEMS_MAX, sizeof *items->items);
  if (items->items == NULL) return;
  struct gathering gathering = {.items = items, .query = query};
  for (int i = 0; i < STATES; i++)
    if (query->state == 0 && states[i] != WORKQ_STATE_READY) gather(q, &gathering, states[i], TOP_ITEMS_MAX / STATES);
  if (query->state == 0) gather(q, &gathering, WORKQ_STATE_READY, TOP_ITEMS_MAX - items->count % TOP_ITEMS_MAX);
  else gather(q, &gathering, query->state, TOP_ITEMS_MAX);
  sort_items(items, query);
  if (items->count > TOP_ITEMS_MAX) drop_from(items, TOP_ITEMS_MAX);
}

int top_find_chosen(const struct top *top) {
  if (top->chosen == NULL) return -1;
  for (uint32_t i = 0; i < top->items.count; i++) {
    const workq_info *info = &top->items.items[i].info;
    if (info->key_len == top->chosen_len && memcmp(info->key, top->chosen, info->key_len) == 0) return (int)i;
  }
  return -1;
}

/* ---- Workers ------------------------------------------------------------------------------------------------- */

static int visit_worker(void *arg, const workq_worker *worker) {
  struct top_workers *workers = arg;
  if (workers->count == workers->size) {
    uint32_t size = workers->size == 0 ? 64 : 2 * workers->size;
    workq_worker *grown = realloc(workers->workers, size * sizeof *grown);
    if (grown == NULL) return 1;
    workers->workers = grown;
    workers->size = size;
  }
  workers->workers[workers->count++] = *worker;
  return 0;
}

static int read_workers(workq *q, void *arg) {
  return workq_iterate_workers(q, visit_worker, arg);
}

const workq_worker *top_worker_of(const struct top *top, const workq_info *info) {
  for (uint32_t i = 0; i < top->workers.count; i++) {
    const workq_worker *worker = &top->workers.workers[i];
    if (worker->pid == info->pid && worker->tid == info->tid) return worker;
  }
  return NULL;
}

/* Finds the worker of the page again. */
static void refresh_worker(struct top *top) {
  top->worker_is_there = false;
  for (uint32_t i = 0; i < top->workers.count && !top->worker_is_there; i++) {
    const workq_worker *worker = &top->workers.workers[i];
    top->worker_is_there =
        worker->slot == top->worker.slot && worker->pid == top->worker.pid && worker->tid == top->worker.tid;
    if (top->worker_is_there) top->worker = *worker;
  }
}

/* Finds the chosen key again, wherever it is. */
static void refresh_item(workq *q, struct top *top) {
  struct top_query query = {.key = top->chosen, .key_len = top->chosen_len};
  top->item_is_there = false;
  if (top->chosen == NULL) return;
  read_items(q, &query, &top->items);
  top->item_is_there = top->items.count > 0;
  if (top->item_is_there) top->item = top->items.items[0].info;
}

/* ---- Both ---------------------------------------------------------------------------------------------------- */

static int read_stats(workq *q, void *arg) {
  return workq_stats(q, arg);
}

/*
 * Opens the queue that is shown; null where it cannot be read, or is not the one whose figures are
 * shown.
 */
static workq *open_shown(const struct top *top) {
  workq *q;
  workq_stats_data stats;
  const struct top_queue *queue = top->queue;
  if (queue == NULL || queue->error < 0 || top_open(top, queue->name, WORKQ_RAW, &q) < 0) return NULL;
  if (sigbus_guard(q, read_stats, &stats) == 0 && stats.incarnation == queue->incarnation) return q;
  workq_close(q);
  return NULL;
}

void top_read_items(struct top *top) {
  static const struct top_query processing = {.state = WORKQ_STATE_PROCESSING, .sort = SORT_AGE};
  top->workers.count = 0;
  workq *q = open_shown(top);
  if (q == NULL) {
    drop_from(&top->items, 0);
    drop_from(&top->processing, 0);
    top->worker_is_there = top->item_is_there = false;
    return;
  }
  enum top_page page = top->page == PAGE_HELP ? top->page_before_help : top->page;
  sigbus_guard(q, read_workers, &top->workers);
  if (page == PAGE_ITEMS) read_items(q, &top->query, &top->items);
  else if (page == PAGE_ITEM) refresh_item(q, top);
  else read_items(q, &processing, &top->processing);
  if (page == PAGE_WORKER) refresh_worker(top);
  workq_close(q);
  int chosen = top_find_chosen(top);
  if (page == PAGE_ITEMS && chosen >= 0) top->places[PAGE_ITEMS].selected = chosen;
}

void top_forget_items(struct top *top) {
  drop_from(&top->items, 0);
  drop_from(&top->processing, 0);
  free(top->items.items);
  free(top->processing.items);
  free(top->workers.workers);
  free(top->chosen);
}
