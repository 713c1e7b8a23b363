# Benchmarks: built by `make bench`, no tests.

EXTRA_PROGRAMS += bench/cycle
bench_cycle_SOURCES = bench/cycle.c
bench_cycle_LDADD = libworkq.la
CLEANFILES += bench/cycle$(EXEEXT)

bench: bench/cycle$(EXEEXT)
.PHONY: bench
