# Histories of concurrent operations, and the checker that decides whether some order explains them.
