/*
 * Reads JSON objects, one a line, and prints the members that the arguments name, separated by tabs; "-" for those that
 * are missing.  Fails on anything that is not such a line, so that a test needs no other judge of `dump --json`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static void print_member(const json_t *object, const char *name) {
  const json_t *value = json_object_get(object, name);
  char *text = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
  fputs(text == NULL ? "-" : text, stdout);
  free(text);
}

int main(int argc, char **argv) {
  char *line = NULL;
  size_t size = 0;
  ssize_t len;
  for (int number = 1; (len = getline(&line, &size, stdin)) > 0; number++) {
    json_error_t error;
    json_t *object = json_loadb(line, (size_t)len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!json_is_object(object) || line[len - 1] != '\n') {
      fprintf(stderr, "json_lines: line %d is no object: %s\n", number, object == NULL ? error.text : "");
      return EXIT_FAILURE;
    }
    for (int i = 1; i < argc; i++) {
      if (i > 1) putchar('\t');
      print_member(object, argv[i]);
    }
    if (argc > 1) putchar('\n');
    json_decref(object);
  }
  free(line);
  return EXIT_SUCCESS;
}
