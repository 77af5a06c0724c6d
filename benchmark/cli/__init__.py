"""The command line: one file a command, nothing heavy imported before a command runs."""

import io
import os
import sys
import traceback
import warnings
from contextlib import suppress
from pathlib import Path

from cyclopts import CycloptsError

from isorate.cli.command_help import show_examples
from isorate.cli.commands import app
from isorate.cli.exit_codes import CHECK_UNUSABLE, DONE, ERROR, FAULT, INPUT_OUTPUT, INTERRUPTED
from isorate.errors import IsorateError, UsageError
from isorate.files.standard_output import forget_output, own_standard_output
from isorate.pictures.names import printable


def main(words: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0: done. 1: done, but cells failed or figures differ. 2: an error, told in one message. 70: a fault of isorate.
    74: the system refused to read or write. 130: interrupted. For ``check``, 0, 1 and 2 are verdicts, an error is 3.
    """
    words = sys.argv[1:] if words is None else words
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (for as long as we run)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal or a pipe that cannot show a sign gets its number, and the command its result.
            stream.reconfigure(errors="backslashreplace")
    with own_standard_output():
        return _run(words)


def _run(words: list[str]) -> int:
    error_code = CHECK_UNUSABLE if words[:1] == ["check"] else ERROR
    try:
        if _left_behind():
            raise UsageError("the folder that this command was started in no longer exists; go to another: cd FOLDER")
        with warnings.catch_warnings():
            warnings.showwarning = _say_warning
            show_examples(app, words)
            code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()  # here, where a full disk can still be told
    except (CycloptsError, IsorateError) as error:
        _say(f"isorate: {error}")
        return error_code
    except KeyboardInterrupt:
        _say("\nisorate: interrupted; finished rows are kept, the same command continues")
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output is gone (`isorate table … | head`): nothing more to say to it
        sys.stderr.close()
        return DONE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"isorate: {where}{error.strerror or error}")
        forget_output(sys.stdout)
        return INPUT_OUTPUT
    except Exception:  # not 1, which is a verdict
        _say(traceback.format_exc() + "isorate: this is a fault of isorate; please report it with the lines above")
        return FAULT
    return code if isinstance(code, int) else DONE


def _left_behind() -> bool:
    """Whether the working folder was removed: every path that a user names would be told as something else."""
    try:
        os.getcwd()  # noqa: PTH109  (Path.cwd does more)
    except FileNotFoundError:
        return True
    return False


def _say_warning(message: Warning | str, *_: object, **__: object) -> None:
    _say(f"isorate: {message}")


def _say(text: str) -> None:
    """Tell the user; where nothing can be told (a full disk under stderr), the exit code still is what it must be."""
    with suppress(OSError, ValueError):
        print(printable(text, keep="\n\t"), file=sys.stderr, flush=True)
