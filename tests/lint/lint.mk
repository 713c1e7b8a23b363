# What looks at the tree and at what was built of it.
test_scripts += \
	tests/lint/abi.sh \
	tests/lint/abi_versions.sh \
	tests/lint/configure.sh \
	tests/lint/headers.sh \
	tests/lint/includes.sh \
	tests/lint/instructions.sh \
	tests/lint/refusals.sh \
	tests/lint/strace.sh \
	tests/lint/words.sh
EXTRA_DIST += \
	tests/lint/abi/libworkq-0.2.abi \
	tests/lint/abi/program.c \
	tests/lint/abi/versions.awk \
	tests/lint/instructions.txt

check_PROGRAMS += tests/lint/instructions tests/lint/strace_cycles
tests_lint_instructions_SOURCES = tests/lint/instructions.c
tests_lint_instructions_LDADD = $(plain_ldadd)
tests_lint_strace_cycles_SOURCES = tests/lint/strace_cycles.c
tests_lint_strace_cycles_LDADD = $(plain_ldadd)

# Writes new counts down, on purpose.
instructions: tests/lint/instructions
	WORKQ_SRCDIR='$(abs_top_srcdir)' WORKQ_BUILDDIR='$(abs_top_builddir)' $(srcdir)/tests/lint/instructions.sh --write
.PHONY: instructions

# Writes the record of the binary interface, on purpose.
abi: libworkq.la
	WORKQ_SRCDIR='$(abs_top_srcdir)' WORKQ_BUILDDIR='$(abs_top_builddir)' WORKQ_CC='$(CC)' $(srcdir)/tests/lint/abi.sh --write
.PHONY: abi

# `make installcheck`: what `make install` put in place can be used.
EXTRA_DIST += tests/lint/install.sh
installcheck-local:
	WORKQ_SRCDIR='$(abs_top_srcdir)' WORKQ_CC='$(CC) $(CFLAGS)' \
	INSTALLED_PKGCONFIG='$(DESTDIR)$(pkgconfigdir)' INSTALLED_LIB='$(DESTDIR)$(libdir)' \
	INSTALLED_MAN='$(DESTDIR)$(mandir)' MANUAL_PAGES='$(MANS)' $(SHELL) $(srcdir)/tests/lint/install.sh
