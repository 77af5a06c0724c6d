"""Text of strangers that can be written and shown: file names are bytes, and a title may hold what a terminal obeys."""

import re

_COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves a cursor, colours, ends a line, or turns the direction of what follows it."""


def readable(name: str) -> str:
    r"""Return `name` with ``\xNN`` in place of bytes that are no UTF-8.

    >>> readable("photo\udcff.png"), readable("Fjörd.png")
    ('photo\\xff.png', 'Fjörd.png')
    >>> readable("\ud800")
    '\\ud800'
    """
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte: no file name, but somebody's text
        return name.encode("utf-8", "backslashreplace").decode()


def printable(text: str, keep: str = "") -> str:
    r"""Return `text` with ``\xNN`` or ``\uNNNN`` in place of characters that a terminal or a reader would obey.

    Parameters
    ----------
    text
        What somebody wrote: a name, a title, an error of another package.
    keep
        Those of them that stay.

    >>> printable("a\x1b[31mred\u202egnp.exe\n"), printable("two\nlines", keep="\n")
    ('a\\x1b[31mred\\u202egnp.exe\\x0a', 'two\nlines')
    """

    def escaped(found: re.Match[str]) -> str:
        code = ord(found[0])
        return found[0] if found[0] in keep else f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"

    return _COMMANDS.sub(escaped, readable(text))
