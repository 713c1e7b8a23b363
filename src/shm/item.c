/*
 * item.c: items; see item.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "item.h"

#include "grow.h"

int item_take_fresh(workq *q, uint32_t *index, struct item **item) {
  struct hot_line *hot = &q->control->hot;
  if (unlikely(hot->fresh >= q->geometry.items_max)) return -EUCLEAN; /* none free, yet not full */
  int rc = grow_to(q, &q->regions.items, hot->fresh + 1);
  if (unlikely(rc < 0)) return rc;
  *index = hot->fresh + 1;
  *item = item_at(q, *index);
  if (unlikely(!*item)) return -EUCLEAN;
  journal_save(q, *item);
  hot->fresh++;
  return 0;
}
