# The segment as a file: its birth and header, other users, attackers, namespaces.
check_programs += tests/shm/segment/check_attack
tests_shm_segment_check_attack_SOURCES = tests/shm/segment/check_attack.c
tests_shm_segment_check_attack_LDADD = $(check_ldadd)

check_programs += tests/shm/segment/check_namespaces
tests_shm_segment_check_namespaces_SOURCES = tests/shm/segment/check_namespaces.c
tests_shm_segment_check_namespaces_LDADD = $(check_ldadd)

check_programs += tests/shm/segment/check_owners
tests_shm_segment_check_owners_SOURCES = tests/shm/segment/check_owners.c
tests_shm_segment_check_owners_LDADD = $(check_ldadd)

check_programs += tests/shm/segment/check_segment
tests_shm_segment_check_segment_SOURCES = \
	tests/shm/segment/birth.c \
	tests/shm/segment/check_segment.c \
	tests/shm/segment/check_segment.h \
	tests/shm/segment/file.c \
	tests/shm/segment/header.c \
	tests/shm/segment/older.c
EXTRA_DIST += tests/shm/segment/layout5.txt
tests_shm_segment_check_segment_LDADD = $(check_ldadd)
