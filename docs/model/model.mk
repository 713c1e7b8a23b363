# PROMELA models, checked by Spin: see docs/model/README.md.
test_scripts += docs/model/run.sh

# The models alone; larger configurations: minutes.
model:
	$(SHELL) $(srcdir)/docs/model/run.sh small
model-full:
	$(SHELL) $(srcdir)/docs/model/run.sh full
.PHONY: model model-full
