# Modules that no engine is part of: of src/, and of the command.
check_programs += tests/unit/check_clock
tests_unit_check_clock_SOURCES = tests/unit/check_clock.c
tests_unit_check_clock_LDADD = $(check_ldadd)

check_programs += tests/unit/check_errors
tests_unit_check_errors_SOURCES = tests/unit/check_errors.c
tests_unit_check_errors_LDADD = $(check_ldadd)

check_programs += tests/unit/check_filter
tests_unit_check_filter_SOURCES = \
	tests/unit/check_filter.c \
	utils/watch/filter.c \
	utils/watch/filter.h
tests_unit_check_filter_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/utils
tests_unit_check_filter_LDADD = $(check_ldadd)

check_programs += tests/unit/check_informer
tests_unit_check_informer_SOURCES = \
	tests/unit/check_informer.c \
	utils/common/clock.h \
	utils/watch/informer.c \
	utils/watch/informer.h \
	utils/watch/tree.c \
	utils/watch/tree.h
tests_unit_check_informer_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/utils
tests_unit_check_informer_LDADD = $(check_ldadd)

check_programs += tests/unit/check_limiter
tests_unit_check_limiter_SOURCES = tests/unit/check_limiter.c
tests_unit_check_limiter_LDADD = $(check_ldadd)

check_programs += tests/unit/check_logout
tests_unit_check_logout_SOURCES = \
	tests/unit/check_logout.c \
	utils/common/escape.c \
	utils/common/escape.h \
	utils/common/hex.c \
	utils/common/hex.h \
	utils/cli/logout.c \
	utils/cli/logout.h \
	utils/common/say.c \
	utils/common/say.h
tests_unit_check_logout_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/utils
tests_unit_check_logout_LDADD = $(check_ldadd)

check_programs += tests/unit/check_pool
tests_unit_check_pool_SOURCES = tests/unit/check_pool.c
tests_unit_check_pool_LDADD = $(check_ldadd)

check_programs += tests/unit/check_prometheus
tests_unit_check_prometheus_SOURCES = tests/unit/check_prometheus.c
tests_unit_check_prometheus_LDADD = $(check_ldadd)

check_programs += tests/unit/check_serve
tests_unit_check_serve_SOURCES = \
	tests/unit/check_serve.c \
	utils/common/clock.h \
	utils/serve/connections.c \
	utils/serve/connections.h
tests_unit_check_serve_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/utils
tests_unit_check_serve_LDADD = $(check_ldadd)

check_programs += tests/unit/check_top
tests_unit_check_top_SOURCES = \
	tests/unit/check_top.c \
	utils/common/clock.h \
	utils/common/escape.c \
	utils/common/escape.h \
	utils/common/hex.c \
	utils/common/hex.h \
	utils/common/ring.h \
	utils/common/sample.c \
	utils/common/sample.h \
	utils/common/say.c \
	utils/common/say.h \
	utils/top/format.c \
	utils/top/format.h \
	utils/top/history.c \
	utils/top/history.h
tests_unit_check_top_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/utils
tests_unit_check_top_LDADD = $(check_ldadd)
