# The examples.
