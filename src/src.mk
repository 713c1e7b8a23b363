# The library.  Everything is in the convenience archive libworkq_core, which the tests link, too, because hidden symbols
# of the installed library are out of their reach.

noinst_LTLIBRARIES = libworkq_core.la
lib_LTLIBRARIES = libworkq.la

libworkq_core_la_SOURCES = \
	src/admin.c \
	src/check.c \
	src/clock.h \
	src/delay.c \
	src/delay.h \
	src/dump.c \
	src/enter.c \
	src/errors.c \
	src/fingerprint.c \
	src/fingerprint.h \
	src/grow.c \
	src/grow.h \
	src/handle.h \
	src/inspect.c \
	src/inspect.h \
	src/item.c \
	src/item.h \
	src/journal.c \
	src/journal.h \
	src/layout.h \
	src/owner.c \
	src/owner.h \
	src/lifecycle.c \
	src/lifecycle.h \
	src/limiter.c \
	src/limiter.h \
	src/list.c \
	src/list.h \
	src/lock.c \
	src/lock.h \
	src/measure.c \
	src/measure.h \
	src/metrics.c \
	src/open.c \
	src/open.h \
	src/pool.c \
	src/processors.c \
	src/processors.h \
	src/queue.c \
	src/queue.h \
	src/reach.c \
	src/reach.h \
	src/read.h \
	src/ready.h \
	src/restore.c \
	src/segment.c \
	src/segment.h \
	src/slot.c \
	src/slot.h \
	src/snapshot.c \
	src/table.c \
	src/table.h \
	src/wait.c \
	src/wait.h
libworkq_core_la_CFLAGS = $(AM_CFLAGS) $(WORKQ_LIBRARY_CFLAGS)

libworkq_la_SOURCES =
libworkq_la_LIBADD = libworkq_core.la
libworkq_la_LDFLAGS = -version-info 0:0:0 -no-undefined

dist_man_MANS += man/workq.3

# The pages of its functions are made from the header.
function_pages_from = man/functions.list man/workq.3 include/workq.h
make_function_pages = $(AWK) -f $(srcdir)/man/header.awk -f $(srcdir)/man/functions.awk
nodist_man3_MANS := $(addprefix man/,$(addsuffix .3,$(shell \
	$(make_function_pages) $(addprefix $(srcdir)/,$(function_pages_from)))))
$(nodist_man3_MANS): man/header.awk man/functions.awk $(function_pages_from)
	$(AM_V_GEN)$(MKDIR_P) man && \
	$(make_function_pages) -v page=$(@F:.3=) $(addprefix $(srcdir)/,$(function_pages_from)) >$@-new && mv -f $@-new $@
CLEANFILES += $(nodist_man3_MANS)
EXTRA_DIST += man/functions.awk man/functions.list man/header.awk
