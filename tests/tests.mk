# The tests: `make check` runs them.  See tests/README.md for what a test may rely on and must keep to.
#
# Programs that use Check go into check_programs and link $(check_ldadd); programs without it, which musl builds, too, go into
# plain_programs and link $(plain_ldadd); scripts go into test_scripts, those that need the command into command_scripts.

# Marks the start of a run, so that leftovers.sh does not blame it for what is older; its text is the name of the run, which all
# processes of the tests have in their environment.
check_DATA += tests/started
CLEANFILES += tests/started
tests/started: start-of-run
	$(AM_V_GEN)$(MKDIR_P) tests && echo "$$(uname -n)-$$$$-$$(date +%s)" > $@
start-of-run:
.PHONY: start-of-run

# What plain test programs share.
check_LTLIBRARIES += tests/libplain.la
tests_libplain_la_SOURCES = \
	tests/own_shm.c \
	tests/own_shm.h \
	tests/plain.c \
	tests/plain.h \
	tests/release.c \
	tests/release.h \
	tests/waiting.c \
	tests/waiting.h
tests_libplain_la_LIBADD = libworkq_core.la

# Programs link the core statically, so that they can reach what the library hides.
LDADD = libworkq_core.la
check_ldadd = libworkq_core.la $(CHECK_LIBS)
plain_ldadd = tests/libplain.la libworkq_core.la

plain_programs =
check_programs =
test_scripts =
command_scripts =

# --- Check programs, one a module
check_programs += tests/check_api
tests_check_api_SOURCES = \
	tests/calls.c \
	tests/calls.h \
	tests/check_api.c \
	tests/check_api.h \
	tests/check_api_adding.c \
	tests/check_api_arguments.c \
	tests/check_api_batch.c \
	tests/check_api_death.c \
	tests/check_api_delay.c \
	tests/check_api_error.c \
	tests/check_api_finish.c \
	tests/check_api_handle.c \
	tests/check_api_limiter.c \
	tests/check_api_look.c \
	tests/check_api_size.c \
	tests/check_api_wait.c \
	tests/check_api_whole.c \
	tests/fixture.c \
	tests/fixture.h
tests_check_api_LDADD = $(check_ldadd)

check_programs += tests/check_attack
tests_check_attack_SOURCES = tests/check_attack.c tests/fixture.c tests/fixture.h
tests_check_attack_LDADD = $(check_ldadd)

check_programs += tests/check_namespaces
tests_check_namespaces_SOURCES = tests/check_namespaces.c tests/fixture.c tests/fixture.h
tests_check_namespaces_LDADD = $(inner_ldadd)

check_programs += tests/check_owners
tests_check_owners_SOURCES = tests/check_owners.c tests/fixture.c tests/fixture.h
tests_check_owners_LDADD = $(check_ldadd)

check_programs += tests/check_segment
tests_check_segment_SOURCES = \
	tests/calls.c \
	tests/calls.h \
	tests/check_segment.c \
	tests/check_segment.h \
	tests/check_segment_birth.c \
	tests/check_segment_file.c \
	tests/check_segment_header.c \
	tests/fixture.c \
	tests/fixture.h
tests_check_segment_LDADD = $(check_ldadd)

check_programs += tests/check_metrics
tests_check_metrics_SOURCES = \
	tests/check_metrics.c \
	tests/check_metrics.h \
	tests/check_metrics_text.c \
	tests/fixture.c \
	tests/fixture.h
tests_check_metrics_LDADD = $(check_ldadd)

check_programs += tests/check_damage
tests_check_damage_SOURCES = tests/calls.c tests/calls.h tests/check_damage.c tests/fixture.c tests/fixture.h
tests_check_damage_LDADD = $(inner_ldadd)

check_programs += tests/check_snapshot
tests_check_snapshot_SOURCES = tests/check_snapshot.c tests/fixture.c tests/fixture.h
tests_check_snapshot_LDADD = $(check_ldadd)

check_programs += tests/check_errors
tests_check_errors_SOURCES = tests/check_errors.c
tests_check_errors_LDADD = $(check_ldadd)

# tests/refusals.sh reads from these flags which functions may be refused.
check_programs += tests/check_failures
tests_check_failures_SOURCES = \
	tests/calls.c \
	tests/calls.h \
	tests/check_failures.c \
	tests/check_failures.h \
	tests/check_failures_handles.c \
	tests/check_failures_operations.c \
	tests/check_failures_processes.c \
	tests/fixture.c \
	tests/fixture.h \
	tests/refusals.c \
	tests/refusals.h
tests_check_failures_LDADD = $(check_ldadd)
tests_check_failures_LDFLAGS = \
	-Wl,--wrap=access,--wrap=calloc,--wrap=close,--wrap=fchmod,--wrap=fcntl,--wrap=fork,--wrap=free,--wrap=fstat \
	-Wl,--wrap=ftruncate,--wrap=getrandom,--wrap=getrlimit,--wrap=linkat,--wrap=madvise,--wrap=malloc \
	-Wl,--wrap=memfd_create,--wrap=mmap,--wrap=munmap,--wrap=open,--wrap=opendir,--wrap=pipe2,--wrap=posix_fallocate \
	-Wl,--wrap=ppoll,--wrap=pread,--wrap=pthread_mutex_clocklock,--wrap=pthread_mutex_init,--wrap=pthread_mutex_trylock \
	-Wl,--wrap=pthread_mutexattr_init,--wrap=pthread_mutexattr_setpshared,--wrap=pthread_mutexattr_setrobust \
	-Wl,--wrap=pwrite,--wrap=read,--wrap=readdir,--wrap=realloc,--wrap=shm_open,--wrap=shm_unlink,--wrap=signalfd,--wrap=stat,--wrap=syscall

check_programs += tests/check_limiter
tests_check_limiter_SOURCES = tests/check_limiter.c
tests_check_limiter_LDADD = $(check_ldadd)

check_programs += tests/check_pool
tests_check_pool_SOURCES = tests/check_pool.c
tests_check_pool_LDADD = $(check_ldadd)

check_programs += tests/check_informer
tests_check_informer_SOURCES = \
	tests/check_informer.c \
	utils/common/clock.h \
	utils/watch/informer.c \
	utils/watch/informer.h
tests_check_informer_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/utils
tests_check_informer_LDADD = $(CHECK_LIBS)

check_programs += tests/check_top
tests_check_top_SOURCES = \
	tests/check_top.c \
	utils/common/clock.h \
	utils/common/ring.h \
	utils/common/sample.c \
	utils/common/sample.h \
	utils/top/format.c \
	utils/top/format.h \
	utils/top/history.c \
	utils/top/history.h
tests_check_top_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/utils
tests_check_top_LDADD = $(check_ldadd)

# The inner modules.
inner_sources = tests/inner.c tests/inner.h
inner_ldadd = tests/libplain.la $(check_ldadd)

check_programs += tests/check_processors
tests_check_processors_SOURCES = tests/check_processors.c $(inner_sources)
tests_check_processors_LDADD = $(inner_ldadd)

check_programs += tests/check_clock
tests_check_clock_SOURCES = tests/check_clock.c $(inner_sources)
tests_check_clock_LDADD = $(inner_ldadd)

check_programs += tests/check_fingerprint
tests_check_fingerprint_SOURCES = tests/check_fingerprint.c $(inner_sources)
tests_check_fingerprint_LDADD = $(inner_ldadd)

check_programs += tests/check_list
tests_check_list_SOURCES = tests/check_list.c $(inner_sources)
tests_check_list_LDADD = $(inner_ldadd)

check_programs += tests/check_ready
tests_check_ready_SOURCES = tests/check_ready.c $(inner_sources)
tests_check_ready_LDADD = $(inner_ldadd)

check_programs += tests/check_delay
tests_check_delay_SOURCES = tests/check_delay.c $(inner_sources)
tests_check_delay_LDADD = $(inner_ldadd)

check_programs += tests/check_table
tests_check_table_SOURCES = tests/check_table.c $(inner_sources)
tests_check_table_LDADD = $(inner_ldadd)

check_programs += tests/check_group
tests_check_group_SOURCES = tests/check_group.c $(inner_sources)
tests_check_group_LDADD = $(inner_ldadd)

check_programs += tests/check_item
tests_check_item_SOURCES = tests/check_item.c $(inner_sources)
tests_check_item_LDADD = $(inner_ldadd)

check_programs += tests/check_journal
tests_check_journal_SOURCES = tests/check_journal.c $(inner_sources)
tests_check_journal_LDADD = $(inner_ldadd)

check_programs += tests/check_lifecycle
tests_check_lifecycle_SOURCES = tests/check_lifecycle.c tests/life.c tests/life.h $(inner_sources)
tests_check_lifecycle_LDADD = $(inner_ldadd)

check_programs += tests/check_checker
tests_check_checker_SOURCES = tests/check_checker.c tests/faults.c tests/faults.h $(inner_sources)
tests_check_checker_LDADD = $(inner_ldadd)

# Processes, the kernel and the clock's time.
check_programs += tests/check_lock
tests_check_lock_SOURCES = tests/check_lock.c
tests_check_lock_LDADD = $(inner_ldadd)

check_programs += tests/check_wait
tests_check_wait_SOURCES = tests/check_wait.c
tests_check_wait_LDADD = $(inner_ldadd)

check_programs += tests/check_slot
tests_check_slot_SOURCES = tests/check_slot.c
tests_check_slot_LDADD = $(inner_ldadd)

# --- plain programs
plain_programs += tests/model/check_model
tests_model_check_model_SOURCES = \
	tests/model/check_model.c \
	tests/model/compare.c \
	tests/model/crash.c \
	tests/model/model.c \
	tests/model/model.h \
	tests/model/model_inside.h \
	tests/model/model_limiter.c \
	tests/model/model_work.c \
	tests/model/operations.c \
	tests/model/trial.h
tests_model_check_model_LDADD = $(plain_ldadd)
test_scripts += tests/model/mutants.sh

plain_programs += tests/process/many_processes
tests_process_many_processes_SOURCES = tests/process/many_processes.c
tests_process_many_processes_LDADD = $(plain_ldadd)

plain_programs += tests/process/death
tests_process_death_SOURCES = tests/process/death.c
tests_process_death_LDADD = $(plain_ldadd)

plain_programs += tests/process/cond_wedge
tests_process_cond_wedge_SOURCES = tests/process/cond_wedge.c
tests_process_cond_wedge_LDADD = $(plain_ldadd)

plain_programs += tests/process/orphan
tests_process_orphan_SOURCES = tests/process/orphan.c
tests_process_orphan_LDADD = $(plain_ldadd)

plain_programs += tests/process/fair
tests_process_fair_SOURCES = tests/process/fair.c
tests_process_fair_LDADD = $(plain_ldadd)

plain_programs += tests/process/descriptor
tests_process_descriptor_SOURCES = tests/process/descriptor.c
tests_process_descriptor_LDADD = $(plain_ldadd)

plain_programs += tests/process/cancelled
tests_process_cancelled_SOURCES = tests/process/cancelled.c
tests_process_cancelled_LDADD = $(plain_ldadd)

plain_programs += tests/process/thread_end
tests_process_thread_end_SOURCES = tests/process/thread_end.c
tests_process_thread_end_LDADD = $(plain_ldadd)

plain_programs += tests/process/stopped
tests_process_stopped_SOURCES = tests/process/stopped.c
tests_process_stopped_LDADD = $(plain_ldadd)
plain_programs += tests/process/fork_sign
tests_process_fork_sign_SOURCES = tests/process/fork_sign.c
tests_process_fork_sign_LDADD = $(plain_ldadd)

plain_programs += tests/process/raw_readers
tests_process_raw_readers_SOURCES = tests/process/raw_readers.c
tests_process_raw_readers_LDADD = $(plain_ldadd)

test_scripts += tests/raw_loads.sh
check_PROGRAMS += tests/raw_loads
tests_raw_loads_SOURCES = tests/raw_loads.c
tests_raw_loads_LDADD = $(plain_ldadd)

# --- scripts
test_scripts += tests/configure.sh tests/headers.sh tests/includes.sh tests/refusals.sh tests/strace.sh
check_PROGRAMS += tests/strace_cycles
tests_strace_cycles_SOURCES = tests/strace_cycles.c
tests_strace_cycles_LDADD = $(plain_ldadd)

test_scripts += tests/instructions.sh
check_PROGRAMS += tests/instructions
tests_instructions_SOURCES = tests/instructions.c
tests_instructions_LDADD = $(plain_ldadd)
EXTRA_DIST += tests/instructions.txt

# Writes new counts down, on purpose.
instructions: tests/instructions
	WORKQ_SRCDIR='$(abs_top_srcdir)' WORKQ_BUILDDIR='$(abs_top_builddir)' $(srcdir)/tests/instructions.sh --write
.PHONY: instructions

test_scripts += tests/abi.sh tests/abi_versions.sh
EXTRA_DIST += tests/abi/libworkq-0.2.abi tests/abi/program.c tests/abi/versions.awk

# Writes the record of the binary interface, on purpose.
abi: libworkq.la
	WORKQ_SRCDIR='$(abs_top_srcdir)' WORKQ_BUILDDIR='$(abs_top_builddir)' WORKQ_CC='$(CC)' $(srcdir)/tests/abi.sh --write
.PHONY: abi

# --- scripts that need the command, and their helpers
command_scripts += \
	tests/browser/page.sh \
	tests/cli/add.sh \
	tests/cli/bad_segments.sh \
	tests/cli/completion.sh \
	tests/cli/create.sh \
	tests/cli/full.sh \
	tests/cli/docs.sh \
	tests/cli/manual.sh \
	tests/cli/metrics.sh \
	tests/cli/output.sh \
	tests/cli/progress.sh \
	tests/cli/readme.sh \
	tests/cli/run.sh \
	tests/cli/run_ends.sh \
	tests/cli/save.sh \
	tests/cli/serve.sh \
	tests/cli/show.sh \
	tests/cli/state.sh \
	tests/cli/top.sh \
	tests/cli/usage.sh \
	tests/cli/watch.sh \
	tests/demo.sh
EXTRA_DIST += tests/browser/browser.py tests/browser/page.py tests/cli/lib.sh
command_programs = tests/cli/hold_lock tests/cli/json_lines
tests_cli_hold_lock_SOURCES = tests/cli/hold_lock.c
tests_cli_json_lines_SOURCES = tests/cli/json_lines.c
tests_cli_json_lines_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_cli_json_lines_LDADD = $(JANSSON_LIBS)

# --- parts with a fragment of their own
include tests/crash/crash.mk
include tests/fuzz/fuzz.mk
include tests/history/history.mk
include tests/soak/soak.mk
include docs/model/model.mk

# Last, whatever -j says: it looks for what all the others left behind.
test_scripts += tests/leftovers.sh
tests/leftovers.log: $(filter-out tests/leftovers.log,$(TEST_LOGS))

check_PROGRAMS += $(plain_programs)
TESTS += $(plain_programs) $(test_scripts)
EXTRA_DIST += $(test_scripts) $(command_scripts) tests/README.md
if HAVE_CHECK
check_PROGRAMS += $(check_programs)
TESTS += $(check_programs)
endif
if COMMAND
check_PROGRAMS += $(command_programs)
TESTS += $(command_scripts)
endif

TEST_EXTENSIONS = .sh
AM_TESTS_ENVIRONMENT = \
	WORKQ='$(abs_top_builddir)/utils/workq'; \
	WORKQ_SRCDIR='$(abs_top_srcdir)'; \
	WORKQ_BUILDDIR='$(abs_top_builddir)'; \
	WORKQ_CC='$(CC)'; \
	WORKQ_CXX='$(CXX)'; \
	WORKQ_TEST_RUN="`cat '$(abs_top_builddir)/tests/started' 2>/dev/null`"; \
	export WORKQ WORKQ_SRCDIR WORKQ_BUILDDIR WORKQ_CC WORKQ_CXX WORKQ_TEST_RUN;

# `make installcheck`: what `make install` put in place can be used.
EXTRA_DIST += tests/install.sh
installcheck-local:
	WORKQ_SRCDIR='$(abs_top_srcdir)' WORKQ_CC='$(CC) $(CFLAGS)' \
	INSTALLED_PKGCONFIG='$(DESTDIR)$(pkgconfigdir)' INSTALLED_LIB='$(DESTDIR)$(libdir)' \
	INSTALLED_MAN='$(DESTDIR)$(mandir)' MANUAL_PAGES='$(MANS)' $(SHELL) $(srcdir)/tests/install.sh
