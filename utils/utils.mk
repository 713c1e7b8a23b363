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
	utils/top.h \
	utils/top_command.c \
	utils/top_rates.h \
	utils/watch.c

# Its server, with the page that it shows.
page_files = \
	utils/page/index.html \
	utils/page/app.js \
	utils/page/format.js \
	utils/page/icon.svg \
	utils/page/plot.js \
	utils/page/queue.js \
	utils/page/style.css \
	utils/page/table.js \
	utils/page/token.js
if SERVE
utils_workq_SOURCES += \
	utils/serve.c \
	utils/serve.h \
	utils/serve_actions.c \
	utils/serve_api.c \
	utils/serve_guard.c \
	utils/serve_history.c \
	utils/serve_http.c \
	utils/serve_listen.c \
	utils/serve_look.c
nodist_utils_workq_SOURCES = utils/serve_page.c
else
utils_workq_SOURCES += utils/serve_absent.c
endif
utils/serve_page.c: utils/page/embed.sh $(page_files)
	$(AM_V_GEN)$(MKDIR_P) utils && \
	(cd $(srcdir) && $(SHELL) utils/page/embed.sh $(page_files)) >$@-new && mv -f $@-new $@
CLEANFILES += utils/serve_page.c utils/serve_page.c-new
EXTRA_DIST += utils/page/embed.sh $(page_files)

# Its live view.
if TOP
utils_workq_SOURCES += \
	utils/top.c \
	utils/top_draw.c \
	utils/top_format.c \
	utils/top_format.h \
	utils/top_items.c \
	utils/top_keys.c \
	utils/top_look.c \
	utils/top_pages.c \
	utils/top_queue.c \
	utils/top_rates.c
else
utils_workq_SOURCES += utils/top_absent.c
endif

utils_workq_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(top_srcdir)/utils $(JANSSON_CFLAGS) $(MICROHTTPD_CFLAGS) $(NCURSES_CFLAGS)
utils_workq_LDFLAGS = $(AM_LDFLAGS) -static
utils_workq_LDADD = libworkq.la $(JANSSON_LIBS) $(MICROHTTPD_LIBS) $(NCURSES_LIBS)

dist_man_MANS += man/workq.1

# The page of each subcommand is made from its parts in workq(1).
subcommand_pages_from = utils/commands.c man/workq.1
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
