# Benchmarks: built by `make bench`, no tests.  See bench/README.md.

bench_programs =
bench_common = bench/bench.c bench/bench.h bench/floors.c
bench_queues = bench/queue.c bench/queue.h
bench_crews = bench/crew.c bench/crew.h
AM_BENCH_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/bench $(JANSSON_CFLAGS)
bench_ldadd = libworkq.la $(JANSSON_LIBS)

bench_programs += bench/floor
bench_floor_SOURCES = bench/floor.c $(bench_common)
bench_floor_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_floor_LDADD = $(bench_ldadd)

bench_programs += bench/cycle
bench_cycle_SOURCES = bench/cycle.c bench/steady.c bench/steady.h $(bench_common) $(bench_queues)
bench_cycle_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_cycle_LDADD = $(bench_ldadd)

bench_programs += bench/pair
bench_pair_SOURCES = bench/pair.c $(bench_common) $(bench_queues) $(bench_crews)
bench_pair_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_pair_LDADD = $(bench_ldadd)

bench_programs += bench/pingpong
bench_pingpong_SOURCES = bench/pingpong.c $(bench_common) $(bench_queues) $(bench_crews)
bench_pingpong_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_pingpong_LDADD = $(bench_ldadd)

EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)

bench: $(bench_programs)
.PHONY: bench
