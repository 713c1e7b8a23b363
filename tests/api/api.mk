# The public API: every rule of the queue, by name, whichever engine keeps it.
check_programs += tests/api/check_api
tests_api_check_api_SOURCES = \
	tests/api/adding.c \
	tests/api/arguments.c \
	tests/api/batch.c \
	tests/api/check_api.c \
	tests/api/check_api.h \
	tests/api/death.c \
	tests/api/delay.c \
	tests/api/error.c \
	tests/api/finish.c \
	tests/api/handle.c \
	tests/api/limiter.c \
	tests/api/look.c \
	tests/api/metrics.c \
	tests/api/size.c \
	tests/api/removed.c \
	tests/api/wait.c \
	tests/api/whole.c
tests_api_check_api_LDADD = $(check_ldadd)
