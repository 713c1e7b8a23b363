# What a system around the command needs: units of systemd, alerts for Prometheus, a dashboard for Grafana.
unitdir = $(prefix)/lib/systemd/system
units = dist/systemd/workq-run@.service
dist_unit_files = dist/systemd/workq-run@.service.in dist/systemd/workq-serve.service.in dist/systemd/workq-serve.socket
if SERVE
units += dist/systemd/workq-serve.service
dist_unit_DATA = dist/systemd/workq-serve.socket
endif
nodist_unit_DATA = $(units)
EXTRA_DIST += $(dist_unit_files)

$(units): dist/dist.mk Makefile
	$(AM_V_GEN)$(MKDIR_P) dist/systemd && \
	sed 's,[@]bindir@,$(bindir),g' "$(srcdir)/$@.in" >$@-new && mv -f $@-new $@
dist/systemd/workq-run@.service: dist/systemd/workq-run@.service.in
dist/systemd/workq-serve.service: dist/systemd/workq-serve.service.in
CLEANFILES += $(units)

sharedir = $(datadir)/workq
dist_share_DATA = dist/prometheus.rules.yml dist/grafana-dashboard.json
