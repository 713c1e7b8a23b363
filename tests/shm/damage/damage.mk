# Damage: trials in processes of their own.
check_programs += tests/shm/damage/check_damage
tests_shm_damage_check_damage_SOURCES = \
	tests/shm/damage/check_damage.c \
	tests/shm/damage/damage.c \
	tests/shm/damage/damage.h \
	tests/shm/damage/damage_bytes.c
tests_shm_damage_check_damage_LDADD = $(check_ldadd)
