"""A run's rows as a pandas DataFrame."""

import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

from isorate.errors import ReportError
from isorate.reports.tables import COLUMNS, at_aim, columns
from isorate.runs.manifest import Manifest
from isorate.runs.row import Row

if TYPE_CHECKING:
    import pandas as pd


_BESIDE = dict.fromkeys(("match", "equal_rate", "equal_quality", "neighbour_stream"), "object")
_BESIDE["neighbour_bytes"] = "Int64"
"""Which of the last columns are no decimal numbers."""


def frame(rows: list[Row], manifest: Manifest) -> "pd.DataFrame":
    """Return one line a row; the columns are those of ``isorate table --format csv``, documented at the row's fields.

    The last one, ``class``, is beside these: the image's class in the data set, None where it has none. Numbers are
    ``float64`` (NaN where there is none, ``inf`` for identical pictures) or ``Int64``; ``options`` and ``trace`` hold
    the row's own objects. `manifest` is the run's.

    Raises
    ------
    ReportError
        When pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise ReportError("a data frame needs pandas; install it with: pip install 'isorate[pandas]'") from None
    kinds = get_type_hints(Row)
    found = {name: pd.Series([getattr(row, name) for row in rows], dtype=_dtype(kinds[name])) for name in COLUMNS}
    more = columns(rows)
    for name in more:
        found[name] = pd.Series([row.metrics.get(name) for row in rows], dtype="float64")
    aim = manifest.aim
    beside = [at_aim(row, more, aim) for row in rows]
    for name in beside[0] if beside else []:
        found[name] = pd.Series([values[name] for values in beside], dtype=_BESIDE.get(name, "float64"))
    class_of = {image.name: image.image_class or None for image in manifest.dataset.images}
    found["class"] = pd.Series([class_of.get(row.image) for row in rows], dtype="object")
    return pd.DataFrame(found)


def _dtype(kind: Any) -> str:
    """Return the column's type for a field's: a number also where it may be missing, else any object.

    >>> _dtype(float | None), _dtype(int), _dtype(str), _dtype(dict[str, int])
    ('float64', 'Int64', 'object', 'object')
    """
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        kinds = {_dtype(some) for some in get_args(kind) if some is not types.NoneType}
        return kinds.pop() if len(kinds) == 1 else "object"
    return {float: "float64", int: "Int64"}.get(kind, "object")
