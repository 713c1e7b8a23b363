# The examples.

# The one that README.md and workq(3) show.
noinst_PROGRAMS += examples/hello
examples_hello_LDADD = libworkq.la

# The main job on real input.  It shares the informer with `workq watch`.
noinst_PROGRAMS += examples/controller
examples_controller_SOURCES = \
	examples/controller.c \
	utils/common/clock.h \
	utils/common/parse.c \
	utils/common/parse.h \
	utils/watch/informer.c \
	utils/watch/informer.h \
	utils/watch/tree.c \
	utils/watch/tree.h
examples_controller_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/utils
examples_controller_LDADD = libworkq.la

# Shows the controller at work: examples/demo BUILD_DIR
EXTRA_DIST += examples/demo
