# The `workq` command:
#   cli/     main, the table of subcommands, their options, and one file a subcommand
#   serve/   workq serve
#   top/     workq top
#   watch/   workq watch
#   common/  what several of them use; it includes nothing of the others
# Each file includes headers of its own folder by their name, and others as "common/parse.h".
#
# It is linked with the static library where there is one, so that an installed copy does not
# depend on the dynamic linker's cache.
bin_PROGRAMS += utils/workq

utils_workq_SOURCES = \
	utils/cli/add.c \
	utils/cli/check.c \
	utils/cli/control.c \
	utils/cli/create.c \
	utils/cli/dump.c \
	utils/cli/exec.c \
	utils/cli/exec.h \
	utils/cli/keys.c \
	utils/cli/keys.h \
	utils/cli/kick_remove.c \
	utils/cli/load.c \
	utils/cli/logout.c \
	utils/cli/logout.h \
	utils/cli/ls.c \
	utils/cli/main.c \
	utils/cli/options.c \
	utils/cli/options.h \
	utils/cli/progress.c \
	utils/cli/progress.h \
	utils/cli/rm.c \
	utils/cli/run.c \
	utils/cli/save.c \
	utils/cli/savefile.h \
	utils/cli/stats.c \
	utils/cli/subcommands.c \
	utils/cli/subcommands.h \
	utils/cli/whole_file.c \
	utils/cli/whole_file.h \
	utils/common/clock.h \
	utils/common/escape.c \
	utils/common/escape.h \
	utils/common/hex.c \
	utils/common/hex.h \
	utils/common/open.c \
	utils/common/open.h \
	utils/common/output.c \
	utils/common/output.h \
	utils/common/parse.c \
	utils/common/parse.h \
	utils/common/queue_error.c \
	utils/common/queue_error.h \
	utils/common/queue_list.c \
	utils/common/queue_list.h \
	utils/common/ring.h \
	utils/common/sample.c \
	utils/common/sample.h \
	utils/common/say.c \
	utils/common/say.h \
	utils/common/sigbus.c \
	utils/common/sigbus.h \
	utils/common/signals.c \
	utils/common/signals.h \
	utils/common/status.h \
	utils/common/trust.h \
	utils/top/history.h \
	utils/top/top.c \
	utils/top/top.h \
	utils/watch/filter.c \
	utils/watch/filter.h \
	utils/watch/informer.c \
	utils/watch/informer.h \
	utils/watch/tree.c \
	utils/watch/tree.h \
	utils/watch/watch.c

# Its server, with the page that it shows.
page_files = \
	utils/serve/page/index.html \
	utils/serve/page/app.js \
	utils/serve/page/format.js \
	utils/serve/page/icon.svg \
	utils/serve/page/plot.js \
	utils/serve/page/queue.js \
	utils/serve/page/style.css \
	utils/serve/page/table.js \
	utils/serve/page/token.js
if SERVE
utils_workq_SOURCES += \
	utils/serve/actions.c \
	utils/serve/api.c \
	utils/serve/auth.c \
	utils/serve/connections.c \
	utils/serve/connections.h \
	utils/serve/history.c \
	utils/serve/http.c \
	utils/serve/listen.c \
	utils/serve/peek.c \
	utils/serve/serve.c \
	utils/serve/serve.h
nodist_utils_workq_SOURCES = utils/serve/page_files.c
else
utils_workq_SOURCES += utils/serve/unavailable.c
endif
utils/serve/page_files.c: utils/serve/page/embed.sh $(page_files)
	$(AM_V_GEN)$(MKDIR_P) utils/serve && \
	(cd $(srcdir) && $(SHELL) utils/serve/page/embed.sh $(page_files)) >$@-new && mv -f $@-new $@
CLEANFILES += utils/serve/page_files.c utils/serve/page_files.c-new
EXTRA_DIST += utils/serve/page/embed.sh $(page_files)

# Its live view.
if TOP
utils_workq_SOURCES += \
	utils/top/details.c \
	utils/top/draw.c \
	utils/top/format.c \
	utils/top/format.h \
	utils/top/history.c \
	utils/top/keyboard.c \
	utils/top/page_queue.c \
	utils/top/pages.c \
	utils/top/process.c \
	utils/top/read_items.c \
	utils/top/read_queues.c \
	utils/top/terminal.c
else
utils_workq_SOURCES += utils/top/unavailable.c
endif

utils_workq_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/utils $(JANSSON_CFLAGS) $(MICROHTTPD_CFLAGS) $(NCURSES_CFLAGS)
utils_workq_LDFLAGS = $(AM_LDFLAGS) -static
utils_workq_LDADD = libworkq.la $(JANSSON_LIBS) $(MICROHTTPD_LIBS) $(NCURSES_LIBS)

dist_man_MANS += man/workq.1

# The page of each subcommand is made from its parts in workq(1).
subcommand_pages_from = utils/cli/subcommands.c man/workq.1
make_subcommand_pages = $(AWK) -f $(srcdir)/man/subcommands.awk
nodist_man1_MANS := $(addprefix man/,$(addsuffix .1,$(shell \
	$(make_subcommand_pages) $(addprefix $(srcdir)/,$(subcommand_pages_from)))))
$(nodist_man1_MANS): man/subcommands.awk $(subcommand_pages_from)
	$(AM_V_GEN)$(MKDIR_P) man && \
	$(make_subcommand_pages) -v page=$(@F:.1=) $(addprefix $(srcdir)/,$(subcommand_pages_from)) >$@-new && mv -f $@-new $@
CLEANFILES += $(nodist_man1_MANS)
EXTRA_DIST += man/subcommands.awk

# Completion, where each shell looks for it.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = completions/workq.bash
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = completions/_workq
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_fishcompletion_DATA = completions/workq.fish
