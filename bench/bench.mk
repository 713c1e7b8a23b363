# Benchmarks: built by `make bench`, no tests.  See bench/README.md.

bench_programs =
bench_common = bench/bench.c bench/bench.h bench/floors.c
bench_queues = bench/queue.c bench/queue.h
bench_steady = bench/steady.c bench/steady.h
bench_crews = bench/crew.c bench/crew.h
bench_preempt = bench/preempt.c bench/preempt.h
AM_BENCH_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/bench $(JANSSON_CFLAGS)
bench_ldadd = libworkq.la $(JANSSON_LIBS)

bench_programs += bench/floor
bench_floor_SOURCES = bench/floor.c $(bench_common)
bench_floor_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_floor_LDADD = $(bench_ldadd)

bench_programs += bench/cycle
bench_cycle_SOURCES = bench/cycle.c $(bench_steady) $(bench_common) $(bench_queues)
bench_cycle_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_cycle_LDADD = $(bench_ldadd)

# Stops a process in the middle of a transaction, and so needs what the library hides.
bench_programs += bench/death
bench_death_SOURCES = bench/death.c $(bench_common) $(bench_queues)
bench_death_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_death_LDADD = libworkq_core.la $(JANSSON_LIBS)

bench_programs += bench/delay
bench_delay_SOURCES = bench/delay.c $(bench_steady) $(bench_common) $(bench_queues)
bench_delay_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_delay_LDADD = $(bench_ldadd)

bench_programs += bench/scale
bench_scale_SOURCES = bench/scale.c $(bench_steady) $(bench_common) $(bench_queues)
bench_scale_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_scale_LDADD = $(bench_ldadd)

bench_programs += bench/segment
bench_segment_SOURCES = bench/segment.c $(bench_common) $(bench_queues)
bench_segment_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_segment_LDADD = $(bench_ldadd)

bench_programs += bench/pair
bench_pair_SOURCES = bench/pair.c $(bench_common) $(bench_queues) $(bench_crews)
bench_pair_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_pair_LDADD = $(bench_ldadd)

bench_programs += bench/pingpong
bench_pingpong_SOURCES = bench/pingpong.c $(bench_common) $(bench_queues) $(bench_crews)
bench_pingpong_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_pingpong_LDADD = $(bench_ldadd)

bench_programs += bench/latency
bench_latency_SOURCES = bench/latency.c $(bench_common) $(bench_queues) $(bench_crews)
bench_latency_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_latency_LDADD = $(bench_ldadd)

bench_programs += bench/hold
bench_hold_SOURCES = bench/hold.c $(bench_common) $(bench_queues) $(bench_crews) $(bench_preempt)
bench_hold_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_hold_LDADD = $(bench_ldadd)

bench_programs += bench/idle
bench_idle_SOURCES = bench/idle.c $(bench_common) $(bench_queues) $(bench_crews) $(bench_preempt)
bench_idle_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_idle_LDADD = $(bench_ldadd)

bench_programs += bench/handles
bench_handles_SOURCES = bench/handles.c $(bench_common) $(bench_queues)
bench_handles_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_handles_LDADD = $(bench_ldadd)

include bench/peers/peers.mk

EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)

bench: $(bench_programs) $(bench_programs_in_go)
.PHONY: bench
