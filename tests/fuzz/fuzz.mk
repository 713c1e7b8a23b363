# Damage: trials in processes of their own, and fuzz targets: `make fuzz`.

tests_check_damage_SOURCES += tests/damage.c tests/damage.h tests/damage_bytes.c tests/own_shm.c tests/own_shm.h
tests_check_namespaces_SOURCES += tests/own_shm.c tests/own_shm.h
