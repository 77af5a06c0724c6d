"""What the process says to a script."""

DONE = 0
FAILED_CELLS = 1
"""Done, but cells failed or figures differ."""
ERROR = 2
"""Nothing done: one message says why."""
INTERRUPTED = 130
