"""The command line: one file a command, nothing heavy imported before a command runs."""

import sys

from cyclopts import CycloptsError

from isorate.cli.commands import app
from isorate.cli.exit_codes import CHECK_UNUSABLE, DONE, ERROR, INTERRUPTED
from isorate.errors import IsorateError


def main(words: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0: done. 1: done, but cells failed or figures differ. 2: an error, told in one message. 130: interrupted.
    For ``check``, 0, 1 and 2 are verdicts, and an error is 3.
    """
    words = sys.argv[1:] if words is None else words
    error_code = CHECK_UNUSABLE if words[:1] == ["check"] else ERROR
    try:
        code = app(words, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return error_code  # the parser has printed what is wrong
    except IsorateError as error:
        print(f"isorate: {error}", file=sys.stderr)
        return error_code
    except KeyboardInterrupt:
        print("\nisorate: interrupted; finished rows are kept, the same command continues", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output is gone (`isorate table … | head`): nothing more to say to it
        sys.stderr.close()
        return DONE
    return code if isinstance(code, int) else DONE
