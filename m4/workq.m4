# workq.m4: the macros of configure.ac: switches, compiler flags, version scripts, sanitizers, borrowed headers, Check, the
# benchmarks' peers.
# SPDX-License-Identifier: Apache-2.0

# WORKQ_ARG_SWITCH(NAME, HELP)
# --enable-NAME, off by default; sets enable_NAME to yes or no.
AC_DEFUN([WORKQ_ARG_SWITCH],
[AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [$2])], [], [AS_TR_SH([enable_$1])=no])])

# WORKQ_ADD_CFLAGS(VARIABLE, FLAGS)
# Appends those of FLAGS that the compiler takes.
AC_DEFUN([WORKQ_ADD_CFLAGS],
[for flag in $2; do
  AC_MSG_CHECKING([whether $CC takes $flag])
  workq_saved_cflags=$CFLAGS
  CFLAGS="$CFLAGS -Werror $flag"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
                    [AC_MSG_RESULT([yes])
                     $1="$$1 $flag"],
                    [AC_MSG_RESULT([no])])
  CFLAGS=$workq_saved_cflags
done])

# WORKQ_VERSION_SCRIPT
# Does the linker give symbols of a shared library versions by a script?  Sets have_version_script.
AC_DEFUN([WORKQ_VERSION_SCRIPT],
[AC_MSG_CHECKING([whether the linker takes version scripts])
echo 'WORKQ_TEST { global: workq_test; local: *; };' >conftest.map
workq_saved_cflags=$CFLAGS
workq_saved_ldflags=$LDFLAGS
CFLAGS="$CFLAGS -fPIC"
LDFLAGS="$LDFLAGS -shared -Wl,--version-script=conftest.map"
AC_LINK_IFELSE([AC_LANG_SOURCE([[int workq_test(void); int workq_test(void) { return 0; }]])],
               [have_version_script=yes], [have_version_script=no])
CFLAGS=$workq_saved_cflags
LDFLAGS=$workq_saved_ldflags
rm -f conftest.map
AC_MSG_RESULT([$have_version_script])])

# WORKQ_SANITIZERS
# Appends the flags of the sanitizers that are switched on to WORKQ_CFLAGS, which is used for linking, too.
AC_DEFUN([WORKQ_SANITIZERS],
[workq_sanitizers=
AS_IF([test "$enable_asan" = yes], [workq_sanitizers="-fsanitize=address"])
AS_IF([test "$enable_ubsan" = yes],
      [workq_sanitizers="$workq_sanitizers -fsanitize=undefined -fno-sanitize-recover=undefined"])
AS_IF([test -n "$workq_sanitizers"],
[ workq_sanitizers="$workq_sanitizers -fno-omit-frame-pointer"
  AC_MSG_CHECKING([whether $CC links with $workq_sanitizers])
  workq_saved_cflags=$CFLAGS
  CFLAGS="$CFLAGS $workq_sanitizers"
  AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
                 [AC_MSG_RESULT([no])
                  AC_MSG_ERROR([the sanitizers asked for are not to be had with $CC])])
  CFLAGS=$workq_saved_cflags
  WORKQ_CFLAGS="$WORKQ_CFLAGS $workq_sanitizers"
])])

# WORKQ_HEADERS_IFELSE(IF-FOUND, IF-NOT-FOUND)
# Do the headers compile that a C library does not bring with it: xxHash's and the kernel's?
AC_DEFUN([WORKQ_HEADERS_IFELSE],
[AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#define XXH_INLINE_ALL
                                      #include <xxhash.h>
                                      #include <linux/futex.h>]],
                                    [[return XXH3_64bits("", 0) == FUTEX_WAIT;]])],
                   [$1], [$2])])

# WORKQ_BORROW_HEADERS
# musl-gcc searches musl's own include directory only.  Where xxhash.h or the kernel's headers are not found, links to
# just these are made in borrowed/ of the build directory, from the directory of --with-borrowed-headers, so that no
# other header of that directory (the other C library's) can be found.  Sets BORROWED_CPPFLAGS.
AC_DEFUN([WORKQ_BORROW_HEADERS],
[AC_ARG_WITH([borrowed-headers],
  [AS_HELP_STRING([--with-borrowed-headers=DIR],
    [where to take xxhash.h and the kernel's headers from if the compiler does not find them (default: /usr/include)])],
  [], [with_borrowed_headers=/usr/include])
BORROWED_CPPFLAGS=
borrowed_words=
AC_MSG_CHECKING([for xxhash.h (XXH3) and linux/futex.h])
WORKQ_HEADERS_IFELSE([AC_MSG_RESULT([yes])],
[ AC_MSG_RESULT([no; trying those of $with_borrowed_headers])
  workq_multiarch=`$CC -print-multiarch 2>/dev/null`
  rm -rf borrowed
  AS_MKDIR_P([borrowed])
  for header in xxhash.h linux asm-generic asm "$workq_multiarch/asm"; do
    AS_IF([test -e "$with_borrowed_headers/$header" && test ! -e "borrowed/${header@%:@@%:@*/}"],
          [ln -s "$with_borrowed_headers/$header" "borrowed/${header@%:@@%:@*/}"])
  done
  BORROWED_CPPFLAGS="-idirafter `pwd`/borrowed"
  borrowed_words="xxhash.h and the kernel's headers from $with_borrowed_headers"
  workq_saved_cppflags=$CPPFLAGS
  CPPFLAGS="$CPPFLAGS $BORROWED_CPPFLAGS"
  AC_MSG_CHECKING([for borrowed xxhash.h and linux/futex.h])
  WORKQ_HEADERS_IFELSE([AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([xxhash.h 0.8 and the kernel's headers are needed (Debian: libxxhash-dev, linux-libc-dev)])])
  CPPFLAGS=$workq_saved_cppflags
])
AC_SUBST([BORROWED_CPPFLAGS])])

# WORKQ_FIND_CHECK
# Sets have_check, and where it is no, why_no_check.  pkg-config alone cannot tell whether this compiler can link
# Check (musl-gcc cannot), so a program is linked.
AC_DEFUN([WORKQ_FIND_CHECK],
[have_check=no
why_no_check="--without-check was given"
AS_IF([test "$with_check" != no],
[ PKG_CHECK_MODULES([CHECK], [check >= 0.15],
  [ AC_MSG_CHECKING([whether $CC links with Check])
    workq_saved_cflags=$CFLAGS workq_saved_libs=$LIBS
    CFLAGS="$CFLAGS $CHECK_CFLAGS -pthread" LIBS="$CHECK_LIBS $LIBS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <check.h>]], [[suite_create("suite");]])],
                   [have_check=yes], [why_no_check="$CC does not link with the Check that pkg-config knows"])
    CFLAGS=$workq_saved_cflags LIBS=$workq_saved_libs
    AC_MSG_RESULT([$have_check])],
  [why_no_check="Check 0.15 was not found; Debian: check"])
])
AS_IF([test "$have_check" = no],
[ CHECK_CFLAGS= CHECK_LIBS=
  AS_IF([test "$with_check" = yes], [AC_MSG_ERROR([$why_no_check])])
  AC_MSG_WARN([the tests that use Check will not be built: $why_no_check])])])

# WORKQ_FIND_BOOST
# Sets have_boost: whether there is a C++ compiler that finds boost.interprocess.  The preprocessor alone is asked, since
# anything more would need all of Autoconf's and Libtool's C++.
AC_DEFUN([WORKQ_FIND_BOOST],
[have_boost=no
AC_MSG_CHECKING([for boost.interprocess])
AS_IF([test -n "$CXX" &&
       AS_ECHO(["#include <boost/interprocess/ipc/message_queue.hpp>"]) | $CXX $CPPFLAGS -x c++ -E - >/dev/null 2>&1],
      [have_boost=yes])
AC_MSG_RESULT([$have_boost])])

# WORKQ_FIND_CLIENT_GO
# Sets have_client_go: whether the directory of --with-client-go has a client-go that this Go compiles; and GO, CLIENT_GO_PATH.
AC_DEFUN([WORKQ_FIND_CLIENT_GO],
[AC_ARG_WITH([client-go],
  [AS_HELP_STRING([--with-client-go=DIR], [a Go path with k8s.io/client-go in src/, for its benchmark (bench/README.md)])],
  [], [with_client_go=no])
AC_CHECK_PROGS([GO], [go])
have_client_go=no
CLIENT_GO_PATH=$with_client_go
AS_IF([test "$with_client_go" != no],
[ AC_MSG_CHECKING([whether $GO compiles client-go])
  AS_IF([test -n "$GO" &&
         GO111MODULE=off GOPATH=$CLIENT_GO_PATH $GO build k8s.io/client-go/util/workqueue >&AS_MESSAGE_LOG_FD 2>&1],
        [have_client_go=yes])
  AC_MSG_RESULT([$have_client_go])
])
AC_SUBST([CLIENT_GO_PATH])])
