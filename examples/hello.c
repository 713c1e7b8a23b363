/*
 * The smallest whole program: adds two keys, works on them, and leaves nothing behind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <workq.h>

int main(void) {
  workq *q;
  int result = workq_open_or_create("hello", NULL, &q);
  if (result < 0) {
    fprintf(stderr, "hello: %s\n", workq_strerror(result));
    return 1;
  }
  workq_add(q, "world", 5);
  workq_add(q, "moon", 4);
  workq_add(q, "world", 5); /* is queued already: it runs once */

  workq_item item;
  while (workq_get(q, &item, 0) == 0) {
    printf("hello, %.*s\n", (int)item.key_len, (const char *)item.key);
    workq_complete(q, &item); /* or workq_retry(q, &item), later again */
  }
  workq_close(q);
  return workq_unlink("hello") < 0;
}
