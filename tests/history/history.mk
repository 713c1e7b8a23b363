# Histories of concurrent operations, and the checker that decides whether some order explains them.
#
# `make history-full` records and checks many more than `make check` does; HISTORIES=N says how many.

history_checker = \
	tests/history/history.c \
	tests/history/history.h \
	tests/history/report.c \
	tests/history/report.h \
	tests/history/search.c \
	tests/history/search.h \
	tests/history/spec.c \
	tests/history/spec.h

plain_programs += tests/history/check_history
tests_history_check_history_SOURCES = \
	tests/history/check_history.c \
	tests/history/mutant.c \
	tests/history/mutant.h \
	tests/history/record.c \
	tests/history/record.h \
	tests/history/worker.c \
	$(history_checker)
tests_history_check_history_LDADD = $(plain_ldadd)
tests_history_check_history_LDFLAGS = \
	-Wl,--wrap=state_crash,--wrap=state_add_known,--wrap=state_remove,--wrap=state_retry

plain_programs += tests/history/check_search
tests_history_check_search_SOURCES = tests/history/check_search.c $(history_checker)
tests_history_check_search_LDADD = $(plain_ldadd)

HISTORIES = 5000
history-full: tests/history/check_history
	tests/history/check_history --histories $(HISTORIES)
.PHONY: history-full
