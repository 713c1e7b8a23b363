# Death at every instruction.  `make check` takes a sample of the points, `make crash-full` all of them.

# Stepping a child through one call.
check_LTLIBRARIES += tests/crash/libtracer.la
tests_crash_libtracer_la_SOURCES = tests/crash/tracer.c tests/crash/tracer.h
tests_crash_libtracer_la_LIBADD = tests/support/libsupport.la

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

# A signal handler calls the library at every instruction of a call.
plain_programs += tests/crash/reenter
tests_crash_reenter_SOURCES = tests/crash/reenter.c
tests_crash_reenter_LDADD = tests/crash/libtracer.la $(plain_ldadd)
tests_crash_reenter_LDFLAGS = -Wl,-z,now

crash-full: crash-full-reenter
crash-full-reenter: tests/crash/reenter
	tests/crash/reenter --full
.PHONY: crash-full-reenter

# How long the lock is held to look for the dead, in instructions.
plain_programs += tests/crash/reap_hold
tests_crash_reap_hold_SOURCES = tests/crash/reap_hold.c
tests_crash_reap_hold_LDADD = tests/crash/libtracer.la $(plain_ldadd)
tests_crash_reap_hold_LDFLAGS = -Wl,-z,now

# One dies while others wait.
check_LTLIBRARIES += tests/crash/libtwo.la
tests_crash_libtwo_la_SOURCES = \
	tests/crash/two_operations.c \
	tests/crash/two_operations.h \
	tests/crash/two_others.c \
	tests/crash/two_others.h \
	tests/crash/two_points.c \
	tests/crash/two_points.h \
	tests/crash/two_trace.c \
	tests/crash/two_trace.h
tests_crash_libtwo_la_LIBADD = tests/support/libsupport.la
two_ldadd = tests/crash/libtwo.la $(plain_ldadd)
two_programs = tests/crash/two_lock tests/crash/two_wait tests/crash/lost_release tests/crash/lost_exec
plain_programs += $(two_programs)
tests_crash_two_lock_SOURCES = tests/crash/two_lock.c
tests_crash_two_lock_LDADD = $(two_ldadd)
tests_crash_two_lock_LDFLAGS = -Wl,-z,now
tests_crash_two_wait_SOURCES = tests/crash/two_wait.c
tests_crash_two_wait_LDADD = $(two_ldadd)
tests_crash_two_wait_LDFLAGS = -Wl,-z,now
tests_crash_lost_release_SOURCES = tests/crash/lost_release.c
tests_crash_lost_release_LDADD = $(two_ldadd)
tests_crash_lost_exec_SOURCES = tests/crash/lost_exec.c
tests_crash_lost_exec_LDADD = $(two_ldadd)

crash-full: crash-full-two
crash-full-two: $(two_programs)
	for program in $(two_programs); do $$program --full || exit; done
.PHONY: crash-full-two
