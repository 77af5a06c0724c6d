"""What the process says to a script."""

DONE = 0
FAILED_CELLS = 1
"""Done, but cells failed or figures differ."""
ERROR = 2
"""Nothing done: one message says why."""
FAULT = 70
"""A fault of isorate itself, with a traceback to report; never a verdict (the number is that of sysexits.h)."""
INPUT_OUTPUT = 74
"""The system refused to read or write: a full disk, missing rights, a device that is gone (sysexits.h)."""
INTERRUPTED = 130
CHECK_PASS, CHECK_REGRESSION, CHECK_TOOL_CHAIN, CHECK_UNUSABLE = 0, 1, 2, 3
"""``isorate check``: a CI must tell a regression from another tool chain, and both from an error."""
