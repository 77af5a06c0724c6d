"""The options that a user asked for, as sentences beside a table: its columns are named by the codecs' labels alone."""

from isorate.codecs.base import Option
from isorate.reports.results import Column, Comparison


def asked_options(comparison: Comparison) -> list[str]:
    """Return a sentence for each column whose codec was given options that stand in its rows.

    A column that is called by its options, being one of two of a codec, has none.

    Returns
    -------
    Such as ``JPEG ran with chroma 4:4:4, optimize false.``
    """
    told = ((column, _asked(comparison, column)) for column in comparison.columns)
    return [f"{column.label} ran with {', '.join(parts)}." for column, parts in told if parts]


def _asked(comparison: Comparison, column: Column) -> list[str]:
    spec = next((entry.spec for entry in comparison.manifest.codecs if entry.name == column.codec), "")
    given = spec.partition(":")[2]
    if not given or given in column.label:
        return []
    # What a user wrote may be a path; what changes no bit of a file is not in the rows.
    options = next(row.options for row in comparison.rows if row.codec == column.codec)
    keys = [part.partition("=")[0] for part in given.split(",")]
    return [f"{key} {_written(key, options[key])}" for key in keys if key in options]


def _written(key: str, value: Option) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    chroma = key == "chroma" and isinstance(value, str) and len(value) == 3 and value.isdigit()
    return ":".join(str(value)) if chroma else str(value)
