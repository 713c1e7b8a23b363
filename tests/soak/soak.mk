# The soak: `make soak`.
