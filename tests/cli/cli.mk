# The command: scripts that run it, and their helpers.
command_scripts += \
	tests/cli/add.sh \
	tests/cli/bad_segments.sh \
	tests/cli/completion.sh \
	tests/cli/create.sh \
	tests/cli/demo.sh \
	tests/cli/docs.sh \
	tests/cli/full.sh \
	tests/cli/manual.sh \
	tests/cli/metrics.sh \
	tests/cli/output.sh \
	tests/cli/progress.sh \
	tests/cli/readme.sh \
	tests/cli/run.sh \
	tests/cli/run_ends.sh \
	tests/cli/run_machine.sh \
	tests/cli/run_stops.sh \
	tests/cli/run_until.sh \
	tests/cli/save.sh \
	tests/cli/serve.sh \
	tests/cli/show.sh \
	tests/cli/state.sh \
	tests/cli/top.sh \
	tests/cli/usage.sh \
	tests/cli/watch.sh
EXTRA_DIST += tests/cli/lib.sh
command_programs += tests/cli/hold_lock tests/cli/json_lines
tests_cli_hold_lock_SOURCES = tests/cli/hold_lock.c
tests_cli_json_lines_SOURCES = tests/cli/json_lines.c
tests_cli_json_lines_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_cli_json_lines_LDADD = $(JANSSON_LIBS)
