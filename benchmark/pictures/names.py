"""File names as text that can be written: a system's file names are bytes, and not always UTF-8."""


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
