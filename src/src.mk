# The library.  Everything is in the convenience archive libworkq_core, which the tests link, too, because hidden symbols
# of the installed library are out of their reach.

noinst_LTLIBRARIES = libworkq_core.la
lib_LTLIBRARIES = libworkq.la

libworkq_core_la_SOURCES = \
	src/api.c \
	src/clock.h \
	src/compiler.h \
	src/dump.c \
	src/engine.h \
	src/errors.c \
	src/histogram.c \
	src/histogram.h \
	src/limiter.c \
	src/limiter.h \
	src/name.c \
	src/name.h \
	src/open.c \
	src/pool.c \
	src/prometheus.c \
	src/sizes.c \
	src/sizes.h \
	src/shm/add.c \
	src/shm/batch.h \
	src/shm/check.c \
	src/shm/control.c \
	src/shm/delay.c \
	src/shm/delay.h \
	src/shm/engine.c \
	src/shm/fingerprint.c \
	src/shm/fingerprint.h \
	src/shm/finish.c \
	src/shm/finish.h \
	src/shm/get.c \
	src/shm/grow.c \
	src/shm/grow.h \
	src/shm/handle.h \
	src/shm/inspect.h \
	src/shm/item.c \
	src/shm/item.h \
	src/shm/iterate.c \
	src/shm/iterate_order.c \
	src/shm/journal.c \
	src/shm/journal.h \
	src/shm/journal_check.c \
	src/shm/keys.c \
	src/shm/layout.h \
	src/shm/list.c \
	src/shm/list.h \
	src/shm/lock.c \
	src/shm/lock.h \
	src/shm/open.c \
	src/shm/open.h \
	src/shm/operation.c \
	src/shm/operation.h \
	src/shm/owner.c \
	src/shm/owner.h \
	src/shm/processors.c \
	src/shm/processors.h \
	src/shm/read.h \
	src/shm/ready.c \
	src/shm/ready.h \
	src/shm/region.c \
	src/shm/region.h \
	src/shm/restore.c \
	src/shm/segment.c \
	src/shm/segment.h \
	src/shm/shm.h \
	src/shm/slot.c \
	src/shm/slot.h \
	src/shm/snapshot.c \
	src/shm/stamp.c \
	src/shm/stamp.h \
	src/shm/state.c \
	src/shm/state.h \
	src/shm/stats.c \
	src/shm/table.c \
	src/shm/table.h \
	src/shm/thread.c \
	src/shm/thread.h \
	src/shm/times.c \
	src/shm/times.h \
	src/shm/upgrade.c \
	src/shm/upgrade.h \
	src/shm/wait.c \
	src/shm/wait.h
libworkq_core_la_CFLAGS = $(AM_CFLAGS) $(WORKQ_LIBRARY_CFLAGS)

libworkq_la_SOURCES =
libworkq_la_LIBADD = libworkq_core.la
libworkq_la_LDFLAGS = -version-info 0:0:0 -no-undefined
# Which symbols it exports, and their versions.  Without a script it exports the same ones, by their visibility.
if VERSION_SCRIPT
libworkq_la_LDFLAGS += -Wl,--version-script=$(srcdir)/src/libworkq.map
EXTRA_libworkq_la_DEPENDENCIES = src/libworkq.map
endif
EXTRA_DIST += src/libworkq.map

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
