# Processes that work together, wait, are stopped and die.
plain_programs += tests/process/many_processes
tests_process_many_processes_SOURCES = tests/process/many_processes.c
tests_process_many_processes_LDADD = $(plain_ldadd)

plain_programs += tests/process/death
tests_process_death_SOURCES = tests/process/death.c
tests_process_death_LDADD = $(plain_ldadd)

plain_programs += tests/process/cond_wedge
tests_process_cond_wedge_SOURCES = tests/process/cond_wedge.c
tests_process_cond_wedge_LDADD = $(plain_ldadd)

plain_programs += tests/process/orphan
tests_process_orphan_SOURCES = tests/process/orphan.c
tests_process_orphan_LDADD = $(plain_ldadd)

plain_programs += tests/process/fair
tests_process_fair_SOURCES = tests/process/fair.c
tests_process_fair_LDADD = $(plain_ldadd)

plain_programs += tests/process/descriptor
tests_process_descriptor_SOURCES = tests/process/descriptor.c
tests_process_descriptor_LDADD = $(plain_ldadd)

plain_programs += tests/process/cancelled
tests_process_cancelled_SOURCES = tests/process/cancelled.c
tests_process_cancelled_LDADD = $(plain_ldadd)

plain_programs += tests/process/thread_end
tests_process_thread_end_SOURCES = tests/process/thread_end.c
tests_process_thread_end_LDADD = $(plain_ldadd)

plain_programs += tests/process/stopped
tests_process_stopped_SOURCES = tests/process/stopped.c
tests_process_stopped_LDADD = $(plain_ldadd)

plain_programs += tests/process/fork_sign
tests_process_fork_sign_SOURCES = tests/process/fork_sign.c
tests_process_fork_sign_LDADD = $(plain_ldadd)

plain_programs += tests/process/raw_readers
tests_process_raw_readers_SOURCES = tests/process/raw_readers.c
tests_process_raw_readers_LDADD = $(plain_ldadd)

# Not linked with the library, which it loads.
plain_programs += tests/process/loaded
tests_process_loaded_SOURCES = tests/process/loaded.c
tests_process_loaded_LDADD = -ldl
