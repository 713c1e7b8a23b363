# The modules of the shared-memory engine, each by itself.  Its segment as a file, damage to it, and what the system refuses are in
# folders of their own.
check_programs += tests/shm/check_batch
tests_shm_check_batch_SOURCES = tests/shm/check_batch.c
tests_shm_check_batch_LDADD = $(check_ldadd)

check_programs += tests/shm/check_checker
tests_shm_check_checker_SOURCES = tests/shm/check_checker.c tests/shm/faults.c tests/shm/faults.h
tests_shm_check_checker_LDADD = $(check_ldadd)

check_programs += tests/shm/check_delay
tests_shm_check_delay_SOURCES = tests/shm/check_delay.c
tests_shm_check_delay_LDADD = $(check_ldadd)

check_programs += tests/shm/check_fingerprint
tests_shm_check_fingerprint_SOURCES = tests/shm/check_fingerprint.c
tests_shm_check_fingerprint_LDADD = $(check_ldadd)

check_programs += tests/shm/check_item
tests_shm_check_item_SOURCES = tests/shm/check_item.c
tests_shm_check_item_LDADD = $(check_ldadd)

check_programs += tests/shm/check_journal
tests_shm_check_journal_SOURCES = tests/shm/check_journal.c
tests_shm_check_journal_LDADD = $(check_ldadd)

check_programs += tests/shm/check_list
tests_shm_check_list_SOURCES = tests/shm/check_list.c
tests_shm_check_list_LDADD = $(check_ldadd)

check_programs += tests/shm/check_lock
tests_shm_check_lock_SOURCES = tests/shm/check_lock.c
tests_shm_check_lock_LDADD = $(check_ldadd)

check_programs += tests/shm/check_processors
tests_shm_check_processors_SOURCES = tests/shm/check_processors.c
tests_shm_check_processors_LDADD = $(check_ldadd)

check_programs += tests/shm/check_ready
tests_shm_check_ready_SOURCES = tests/shm/check_ready.c
tests_shm_check_ready_LDADD = $(check_ldadd)

check_programs += tests/shm/check_slot
tests_shm_check_slot_SOURCES = tests/shm/check_slot.c
tests_shm_check_slot_LDADD = $(check_ldadd)

check_programs += tests/shm/check_snapshot
tests_shm_check_snapshot_SOURCES = tests/shm/check_snapshot.c
tests_shm_check_snapshot_LDADD = $(check_ldadd)

check_programs += tests/shm/check_state
tests_shm_check_state_SOURCES = tests/shm/check_state.c tests/shm/life.c tests/shm/life.h
tests_shm_check_state_LDADD = $(check_ldadd)

check_programs += tests/shm/check_table
tests_shm_check_table_SOURCES = tests/shm/check_table.c
tests_shm_check_table_LDADD = $(check_ldadd)

check_programs += tests/shm/check_times
tests_shm_check_times_SOURCES = tests/shm/check_times.c
tests_shm_check_times_LDADD = $(check_ldadd)

check_programs += tests/shm/check_wait
tests_shm_check_wait_SOURCES = tests/shm/check_wait.c
tests_shm_check_wait_LDADD = $(check_ldadd)

# What a reader without the lock loads.
test_scripts += tests/shm/raw_loads.sh
check_PROGRAMS += tests/shm/raw_loads
tests_shm_raw_loads_SOURCES = tests/shm/raw_loads.c
tests_shm_raw_loads_LDADD = $(plain_ldadd)

include tests/shm/damage/damage.mk
include tests/shm/failures/failures.mk
include tests/shm/segment/segment.mk
