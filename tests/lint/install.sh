#!/bin/sh
# `make installcheck`: what was installed suffices to build and run a program by the words of workq.pc alone, against the
# shared and the static library, and the manual is there.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

: "${WORKQ_SRCDIR:?}" "${WORKQ_CC:?}" "${INSTALLED_PKGCONFIG:?}" "${INSTALLED_LIB:?}" "${INSTALLED_MAN:?}" \
  "${MANUAL_PAGES:?}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PKG_CONFIG_PATH="$INSTALLED_PKGCONFIG"

cp "$WORKQ_SRCDIR/examples/hello.c" "$scratch"
cd "$scratch"

# The compiler and what pkg-config says are words.
# shellcheck disable=SC2046,SC2086
if [ -e "$INSTALLED_LIB/libworkq.so" ]; then
  $WORKQ_CC hello.c -o shared $(pkg-config --cflags --libs workq)
  LD_LIBRARY_PATH=$INSTALLED_LIB ./shared >/dev/null
  echo "ok: a program with the shared library"
fi
# shellcheck disable=SC2046,SC2086
if [ -e "$INSTALLED_LIB/libworkq.a" ]; then
  $WORKQ_CC hello.c -o static $(pkg-config --cflags workq) "$INSTALLED_LIB/libworkq.a" \
    $(pkg-config --static --libs-only-l workq | sed 's/-lworkq//') -pthread
  ./static >/dev/null
  echo "ok: a program with the static library"
fi
for page in $MANUAL_PAGES; do
  installed=$INSTALLED_MAN/man${page##*.}/${page##*/}
  [ -s "$installed" ] || {
    echo "FAIL: $page is not in $INSTALLED_MAN"
    exit 1
  }
  # A link is from where the manual begins.
  link=$(sed -n '1s/^\.so //p' "$installed")
  [ -z "$link" ] || [ -s "$INSTALLED_MAN/$link" ] || {
    echo "FAIL: $page leads to $link, which is not in $INSTALLED_MAN"
    exit 1
  }
done
echo "ok: the manual"
