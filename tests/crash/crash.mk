# Death at every instruction.

# Two processes and more: one dies while others wait.
two_sources = \
	tests/crash/two_operations.c \
	tests/crash/two_operations.h \
	tests/crash/two_others.c \
	tests/crash/two_others.h \
	tests/crash/two_trace.c \
	tests/crash/two_trace.h
plain_programs += tests/crash/lost_release tests/crash/lost_exec
tests_crash_lost_release_SOURCES = tests/crash/lost_release.c $(two_sources)
tests_crash_lost_release_LDADD = $(plain_ldadd)
tests_crash_lost_exec_SOURCES = tests/crash/lost_exec.c $(two_sources)
tests_crash_lost_exec_LDADD = $(plain_ldadd)

# The full runs of these programs; make crash-full runs them, too.
crash-full-two: tests/crash/lost_release$(EXEEXT) tests/crash/lost_exec$(EXEEXT)
	tests/crash/lost_release --full
	tests/crash/lost_exec --full
crash-full: crash-full-two
.PHONY: crash-full crash-full-two
