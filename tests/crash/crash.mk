# Death at every instruction.  `make check` takes a sample of the points, `make crash-full` all of them.

# Stepping a child through one call.
check_LTLIBRARIES += tests/crash/libtracer.la
tests_crash_libtracer_la_SOURCES = tests/crash/tracer.c tests/crash/tracer.h
tests_crash_libtracer_la_LIBADD = tests/libplain.la

plain_programs += tests/crash/every_instruction
tests_crash_every_instruction_SOURCES = \
	tests/crash/every_instruction.c \
	tests/crash/keys.c \
	tests/crash/keys.h \
	tests/crash/scenarios_adding.c \
	tests/crash/scenarios_naming.c \
	tests/crash/scenarios_slots.c \
	tests/crash/scenarios_working.c \
	tests/crash/scene.c \
	tests/crash/scene.h \
	tests/crash/second.c \
	tests/crash/second.h \
	tests/crash/state.c \
	tests/crash/state.h \
	tests/crash/sweep.c \
	tests/crash/sweep.h
tests_crash_every_instruction_LDADD = tests/crash/libtracer.la $(plain_ldadd)
# Bound at the start: a victim must not be the first to find a function.
tests_crash_every_instruction_LDFLAGS = \
	-Wl,-z,now,--wrap=pthread_mutex_consistent,--wrap=getrandom,--wrap=access

crash-full: tests/crash/every_instruction
	tests/crash/every_instruction full
.PHONY: crash-full
