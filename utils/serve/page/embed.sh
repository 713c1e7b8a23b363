#!/bin/sh
# embed.sh FILE...: prints a C source with the files as page_files (utils/serve/serve.h); index.html is at /.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

echo '#include "serve/serve.h"'
number=0
for file; do
  number=$((number + 1))
  echo "static const unsigned char file_${number}[] = {"
  od -An -v -tu1 "$file" | awk '{ for (i = 1; i <= NF; i++) printf "%s,", $i; print "" }'
  echo '};'
done

echo 'const struct page_file page_files[] = {'
number=0
for file; do
  number=$((number + 1))
  name=${file##*/}
  case $name in
  *.html) type=text/html ;;
  *.css) type=text/css ;;
  *.js) type=text/javascript ;;
  *.svg) type=image/svg+xml ;;
  *)
    echo "embed.sh: there is no type for $file" >&2
    exit 1
    ;;
  esac
  [ "$name" != index.html ] || name=
  echo "{\"/$name\", \"$type; charset=utf-8\", file_$number, sizeof file_$number},"
done
echo '};'
echo "const size_t page_file_count = sizeof page_files / sizeof page_files[0];"
