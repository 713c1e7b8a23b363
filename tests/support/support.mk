# What test programs share.  libsupport is for all of them; libfixture is for those that use Check.

check_LTLIBRARIES += tests/support/libsupport.la
tests_support_libsupport_la_SOURCES = \
	tests/support/calls.c \
	tests/support/calls.h \
	tests/support/own_shm.c \
	tests/support/own_shm.h \
	tests/support/plain.c \
	tests/support/plain.h \
	tests/support/process.c \
	tests/support/process.h \
	tests/support/random.c \
	tests/support/random.h \
	tests/support/release.c \
	tests/support/release.h \
	tests/support/waiting.c \
	tests/support/waiting.h
tests_support_libsupport_la_LIBADD = libworkq_core.la

if HAVE_CHECK
check_LTLIBRARIES += tests/support/libfixture.la
endif
tests_support_libfixture_la_SOURCES = \
	tests/support/fill_shm.c \
	tests/support/fill_shm.h \
	tests/support/fixture.c \
	tests/support/fixture.h \
	tests/support/in_lock.c \
	tests/support/in_lock.h \
	tests/support/inner.c \
	tests/support/inner.h \
	tests/support/measured.c \
	tests/support/measured.h \
	tests/support/test_engine.c \
	tests/support/test_engine.h
tests_support_libfixture_la_LIBADD = tests/support/libsupport.la

# Programs link the core statically, so that they can reach what the library hides.
LDADD = libworkq_core.la
plain_ldadd = tests/support/libsupport.la libworkq_core.la
check_ldadd = tests/support/libfixture.la $(plain_ldadd) $(CHECK_LIBS)
