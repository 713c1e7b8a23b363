#!/bin/sh
# Includes point one way.  A module of src/ includes its own header and those of modules that stand before it in the list
# below; one of src/shm/ also those of src/, never the other way round: nothing outside an engine knows what is inside.  A file
# of utils/ includes workq.h, headers of its own folder by their name, and as "FOLDER/NAME.h" those of utils/common/ and, as a
# subcommand does, of utils/cli/; utils/common/ includes no other folder.  The examples include workq.h, their own headers and
# those of utils/.  None of them includes the library's inside, and none of utils/ knows where queues lie.  A test includes
# headers beside it, those of tests/support/ as "support/NAME.h", and the library's; one of tests/api/, which is for every
# engine, nothing of the library but workq.h.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

if [ "${WORKQ_TEST_SCALE:-100}" -lt 100 ]; then
  echo "SKIPPED: the sources are the same in every build: only with WORKQ_TEST_SCALE=100"
  exit 77
fi

# From the bottom to the top: what is true of every engine, and what is the shared-memory engine's.
common="clock compiler errors name sizes limiter histogram engine api open prometheus dump pool"
shm="layout region processors fingerprint thread handle read stamp journal journal_check times upgrade segment owner lock wait grow list table
  item
  ready delay state slot operation batch inspect shm finish open restore iterate iterate_order stats snapshot keys control check add get
  engine"

cd "${WORKQ_SRCDIR:-$(dirname "$0")/../..}"
failed=0
seen=0

fail() {
  echo "FAIL: $*"
  failed=1
}

# The headers that a file includes in quotes, one a line; and workq.h, however it is included.
headers_of() {
  sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p; s/^[[:space:]]*#[[:space:]]*include[[:space:]]*<\(workq\.h\)>.*/\1/p' "$1"
}

# rank_of MODULE MODULES: its place among them, 0 if it is none of them.
rank_of() {
  rank=0
  for module in $2; do
    rank=$((rank + 1))
    if [ "$module" = "$1" ]; then
      echo $rank
      return
    fi
  done
  echo 0
}

# check_module FILE MODULES: it includes headers of modules before it in the list, of its own, and, in an engine, of src/.
check_module() {
  file=$1 folder=${1%/*} name=${1##*/}
  module=${name%.[ch]}
  own=$(rank_of "$module" "$2")
  [ "$own" -gt 0 ] || fail "$file: the module $module has no place in the list of tests/lint/includes.sh"
  for header in $(headers_of "$file"); do
    seen=$((seen + 1))
    other=$(rank_of "${header%.h}" "$2")
    if [ "$header" = workq.h ]; then
      continue
    elif [ "$header" = "$name" ]; then
      fail "$file includes itself"
    elif [ -e "$folder/$header" ]; then
      if [ "$other" -eq 0 ] || [ "$other" -gt "$own" ]; then fail "$file includes $header, which stands above it"; fi
    elif [ "$folder" = src ] || [ ! -e "src/$header" ] || [ "${header#*/}" != "$header" ]; then
      fail "$file includes $header, which is no header of $folder/ or, for an engine, of src/"
    fi
  done
}

for file in src/*.[ch]; do check_module "$file" "$common"; done
for file in src/shm/*.[ch]; do check_module "$file" "$shm"; done

# check_includes FILE FOLDERS: FILE includes workq.h, headers beside it, and those of these folders of utils/.
check_includes() {
  for header in $(headers_of "$1"); do
    seen=$((seen + 1))
    case $header in
    workq.h) continue ;;
    */*)
      case " $2 " in
      *" ${header%/*} "*) [ ! -e "utils/$header" ] || continue ;;
      esac
      ;;
    *) [ ! -e "${1%/*}/$header" ] || continue ;;
    esac
    fail "$1 includes $header, which is neither workq.h, nor beside it, nor a header of: $2"
  done
}

for file in utils/*.[ch]; do
  [ ! -e "$file" ] || fail "$file is in no folder of utils/"
done
for file in utils/*/*.[ch]; do
  case $file in
  utils/common/*) check_includes "$file" "" ;;
  utils/cli/*) check_includes "$file" common ;;
  utils/serve/page_files.c) ;; # made by a build in the source tree
  *) check_includes "$file" "common cli" ;;
  esac
done
for file in examples/*.[ch]; do
  check_includes "$file" "common watch"
done

# Where a queue lies is known inside its engine alone; users are told of it by one message.
for file in utils/*/*.[ch]; do
  [ "$file" != utils/common/queue_error.h ] || continue
  ! grep -n '/dev/shm\|"/\{0,1\}workq\.' "$file" || fail "$file knows where queues lie"
done

# check_test FILE FOLDERS ROOTS: FILE includes headers beside it, as "FOLDER/NAME.h" those of these folders of tests/, and those
# that are found from these roots on.
check_test() {
  for header in $(headers_of "$1"); do
    seen=$((seen + 1))
    [ ! -e "${1%/*}/$header" ] || continue
    case " $2 " in
    *" ${header%/*} "*) [ ! -e "tests/$header" ] || continue ;;
    esac
    for root in $3; do
      [ ! -e "$root/$header" ] || continue 2
    done
    fail "$1 includes $header, which is neither beside it, nor of tests/ in: $2; nor in: $3"
  done
}

for file in tests/*/*.[ch] tests/shm/*/*.[ch]; do
  case $file in
  tests/api/*) check_test "$file" support include ;;
  tests/fuzz/*) check_test "$file" "support model" "include src utils" ;;
  *) check_test "$file" support "include src utils" ;;
  esac
done

[ $seen -gt 0 ] || fail "no include was found: this test looks in the wrong place"
[ $failed -ne 0 ] || echo "ok: $seen includes, all of them point one way"
exit $failed
