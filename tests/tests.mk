# The tests: `make check` runs them.  See tests/README.md for what a test may rely on and must keep to.
#
# Each folder has a fragment, which adds to these: programs that use Check to check_programs (link $(check_ldadd)); programs without
# it, which musl builds, too, to plain_programs (link $(plain_ldadd)); scripts to test_scripts, those that need the command to
# command_scripts, and the programs that such scripts need to command_programs.
plain_programs =
check_programs =
command_programs =
test_scripts =
command_scripts =

# Marks the start of a run, so that leftovers.sh does not blame it for what is older; its text is the name of the run, which all
# processes of the tests have in their environment.
check_DATA += tests/started
CLEANFILES += tests/started
tests/started: start-of-run
	$(AM_V_GEN)$(MKDIR_P) tests && echo "$$(uname -n)-$$$$-$$(date +%s)" > $@
start-of-run:
.PHONY: start-of-run

include tests/support/support.mk
include tests/api/api.mk
include tests/browser/browser.mk
include tests/cli/cli.mk
include tests/crash/crash.mk
include tests/fuzz/fuzz.mk
include tests/history/history.mk
include tests/lint/lint.mk
include tests/model/model.mk
include tests/process/process.mk
include tests/shm/shm.mk
include tests/soak/soak.mk
include tests/unit/unit.mk
include docs/model/model.mk

# Last, whatever -j says: it looks for what all the others left behind.
test_scripts += tests/lint/leftovers.sh
tests/lint/leftovers.log: $(filter-out tests/lint/leftovers.log,$(TEST_LOGS))

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
