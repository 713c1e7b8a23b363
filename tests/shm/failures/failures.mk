# What the system refuses.  tests/lint/refusals.sh reads from these flags which functions may be refused.
check_programs += tests/shm/failures/check_failures
tests_shm_failures_check_failures_SOURCES = \
	tests/shm/failures/check_failures.c \
	tests/shm/failures/check_failures.h \
	tests/shm/failures/handles.c \
	tests/shm/failures/operations.c \
	tests/shm/failures/processes.c \
	tests/shm/failures/refusals.c \
	tests/shm/failures/refusals.h
tests_shm_failures_check_failures_LDADD = $(check_ldadd)
tests_shm_failures_check_failures_LDFLAGS = \
	-Wl,--wrap=access,--wrap=calloc,--wrap=close,--wrap=fchmod,--wrap=fchown,--wrap=fcntl,--wrap=fork,--wrap=free,--wrap=fstat \
	-Wl,--wrap=ftruncate,--wrap=getrandom,--wrap=getrlimit,--wrap=linkat,--wrap=madvise,--wrap=malloc \
	-Wl,--wrap=memfd_create,--wrap=mmap,--wrap=munmap,--wrap=open,--wrap=opendir,--wrap=pipe2,--wrap=posix_fallocate \
	-Wl,--wrap=ppoll,--wrap=pread,--wrap=pthread_mutex_clocklock,--wrap=pthread_mutex_init,--wrap=pthread_mutex_trylock \
	-Wl,--wrap=pthread_mutexattr_init,--wrap=pthread_mutexattr_setpshared,--wrap=pthread_mutexattr_setrobust \
	-Wl,--wrap=pwrite,--wrap=read,--wrap=readdir,--wrap=realloc,--wrap=shm_open,--wrap=shm_unlink,--wrap=signalfd,--wrap=stat,--wrap=syscall
