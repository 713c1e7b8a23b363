# Fuzz targets.
#
# `make fuzz` builds the targets with clang and runs FUZZ_RUNS executions of each (10 million), as FUZZ_JOBS processes.  What they
# have found, and a few inputs that reach far, are in tests/fuzz/corpus; `make check` replays them, with any compiler.

# The library once more, with death at its stores.
check_LTLIBRARIES += tests/fuzz/libfuzzed.la
tests_fuzz_libfuzzed_la_SOURCES = \
	$(libworkq_core_la_SOURCES) \
	tests/fuzz/bytes.c \
	tests/fuzz/bytes.h \
	tests/fuzz/handles.c \
	tests/fuzz/handles.h \
	tests/fuzz/points.h \
	tests/fuzz/replay.c \
	tests/fuzz/replay.h \
	tests/fuzz/stores.c \
	tests/fuzz/stores.h
tests_fuzz_libfuzzed_la_CPPFLAGS = $(AM_CPPFLAGS) -include $(top_srcdir)/tests/fuzz/points.h

plain_programs += tests/fuzz/fuzz_operations tests/fuzz/fuzz_segment
tests_fuzz_fuzz_operations_SOURCES = \
	tests/fuzz/fuzz_operations.c \
	tests/fuzz/inside.h \
	tests/fuzz/inside_compare.c \
	tests/fuzz/inside_operations.c \
	tests/model/model.c \
	tests/model/model.h \
	tests/model/model_inside.h \
	tests/model/model_limiter.c \
	tests/model/model_work.c \
	tests/model/trial.h
tests_fuzz_fuzz_operations_LDADD = tests/fuzz/libfuzzed.la

tests_fuzz_fuzz_segment_SOURCES = tests/fuzz/fuzz_segment.c tests/support/calls.c tests/support/calls.h
# Named, so that calls.c is an object of this program, and not that of libsupport.
tests_fuzz_fuzz_segment_CPPFLAGS = $(AM_CPPFLAGS)
tests_fuzz_fuzz_segment_LDADD = tests/fuzz/libfuzzed.la

if COMMAND
plain_programs += tests/fuzz/fuzz_spec
endif
EXTRA_PROGRAMS += tests/fuzz/fuzz_spec
tests_fuzz_fuzz_spec_SOURCES = tests/fuzz/fuzz_spec.c utils/common/clock.h utils/common/parse.c utils/common/parse.h
tests_fuzz_fuzz_spec_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/utils
tests_fuzz_fuzz_spec_LDADD = tests/fuzz/libfuzzed.la

fuzz_cppflags = $(filter -DHAVE_%,$(DEFS)) -D_GNU_SOURCE -I$(abs_top_srcdir)/include -iquote $(abs_top_srcdir)/src \
	-iquote $(abs_top_srcdir)/tests -iquote $(abs_top_srcdir)/utils $(BORROWED_CPPFLAGS)
fuzz:
	WORKQ_SRCDIR='$(abs_top_srcdir)' FUZZ_CPPFLAGS='$(fuzz_cppflags)' $(SHELL) $(srcdir)/tests/fuzz/run.sh
.PHONY: fuzz
clean-local:
	rm -rf fuzz
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/run.sh
