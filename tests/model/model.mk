# Random operations on the library and on a model of it.
plain_programs += tests/model/check_model
tests_model_check_model_SOURCES = \
	tests/model/check_model.c \
	tests/model/compare.c \
	tests/model/crash.c \
	tests/model/model.c \
	tests/model/model.h \
	tests/model/model_inside.h \
	tests/model/model_limiter.c \
	tests/model/model_work.c \
	tests/model/operations.c \
	tests/model/trial.h
tests_model_check_model_LDADD = $(plain_ldadd)
test_scripts += tests/model/mutants.sh
