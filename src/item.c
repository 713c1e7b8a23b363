/*
 * item.c: the records of keys; see item.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "item.h"

#include "grow.h"

int item_take_fresh(workq *q, uint32_t *index, struct item **item) {
  struct hot_line *hot = &q->control->hot;
  if (unlikely(hot->fresh >= q->geometry.records)) return -EUCLEAN; /* all were used, none is free, yet not full */
  struct region region = {q->geometry.items_off, q->geometry.item_size, q->geometry.records,
                          &q->control->cold.items_committed};
  int rc = grow_to(q, &region, hot->fresh + 1);
  if (unlikely(rc < 0)) return rc;
  *index = hot->fresh + 1;
  *item = item_at(q, *index);
  journal_save(q, *item);
  hot->fresh++;
  return 0;
}
