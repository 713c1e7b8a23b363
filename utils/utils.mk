# The `workq` command.  It is linked with the static library where there is one, so that an installed copy does not
# depend on the dynamic linker's cache.
bin_PROGRAMS += utils/workq

utils_workq_SOURCES = \
	utils/add.c \
	utils/check.c \
	utils/command.c \
	utils/command.h \
	utils/commands.c \
	utils/commands.h \
	utils/common.c \
	utils/common.h \
	utils/create.c \
	utils/dump.c \
	utils/informer.c \
	utils/informer.h \
	utils/keys.c \
	utils/load.c \
	utils/ls.c \
	utils/main.c \
	utils/names.c \
	utils/names.h \
	utils/progress.c \
	utils/progress.h \
	utils/report.c \
	utils/report.h \
	utils/run.c \
	utils/save.c \
	utils/saved.h \
	utils/shutdown.c \
	utils/spec.c \
	utils/spec.h \
	utils/state.c \
	utils/stats.c \
	utils/watch.c

utils_workq_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
utils_workq_LDFLAGS = $(AM_LDFLAGS) -static
utils_workq_LDADD = libworkq.la $(JANSSON_LIBS)

dist_man_MANS += man/workq.1

# Completion, where each shell looks for it.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = completions/workq.bash
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = completions/_workq
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_fishcompletion_DATA = completions/workq.fish
