# PROMELA models of the waiting and of the lock, checked by Spin.
