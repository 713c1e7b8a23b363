# The soak.  `make check` runs it for some seconds; `make soak` for an hour, or SOAK_MINUTES minutes.

plain_programs += tests/soak/soak
tests_soak_soak_SOURCES = \
	tests/soak/account.c \
	tests/soak/crowd.c \
	tests/soak/finish.c \
	tests/soak/idle.c \
	tests/soak/killer.c \
	tests/soak/leaders.c \
	tests/soak/players.c \
	tests/soak/readers.c \
	tests/soak/soak.c \
	tests/soak/soak.h \
	tests/soak/stage.c \
	tests/soak/waiters.c \
	tests/soak/watch.c \
	tests/soak/work.c
tests_soak_soak_LDADD = $(plain_ldadd)
test_scripts += tests/soak/mutants.sh

SOAK_MINUTES = 60
SOAK_OPTIONS =
soak: tests/soak/soak
	tests/soak/soak --minutes $(SOAK_MINUTES) $(SOAK_OPTIONS)
.PHONY: soak
