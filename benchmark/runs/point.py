"""An operating point of the anchor, as a manifest holds it."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["knob", "bpp", "paper", "quality"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorPoint:
    """One operating point of the anchor.

    Attributes
    ----------
    name
        Unique in a run: ``bpg-qp37``, ``jpeg-bpp0.2``, ``bpg-paper``. For readers; nothing is read from it.
    kind
        ``knob`` (the anchor runs at `value`), ``bpp`` (the anchor is driven to `value` bits per pixel), ``quality`` (it
        is driven to `value` of the metric that the run holds equal), or ``paper`` (the anchor is driven to the rate
        that the supplementary prints for the image; it runs at `value` on an image that is not in it).
    knob
        The name of the anchor's knob that `value` is of, or of the metric; empty for ``bpp``.
    value
        See `kind`; above 0 where it is a rate or a quality, of a knob whatever that takes.
    pictures
        Whether the run keeps the decoded pictures; a point without them gives curves their marks.
    """

    name: str
    kind: Kind
    knob: str = ""
    value: float
    pictures: bool = True


def text_of_name(name: str, anchor: str, knob: str) -> str:
    """Return what was given as ``--point``, from the name that stood for it in manifests before points were data.

    Parameters
    ----------
    name
        ``ANCHOR-paper``, ``ANCHOR-bppVALUE`` or ``ANCHOR-KNOBVALUE``.
    anchor, knob
        The registry's name of the anchor, and its knob's.

    Raises
    ------
    ValueError
        When the name can have come from no point of this anchor, or from two.

    Examples
    --------
    >>> text_of_name("mine-q220", "mine", "q2")
    'q2=20'
    """
    rest = name.removeprefix(f"{anchor}-")
    readings = ["paper"] if rest == "paper" else []
    for key in dict.fromkeys(("bpp", knob)):
        number = rest.removeprefix(key)
        if key and rest.startswith(key) and _is_written_value(number):
            readings.append(f"{key}={number}")
    if len(readings) != 1 or rest == name:
        said = f"it may be {' or '.join(readings)}" if len(readings) > 1 else f"{anchor}'s knob is {knob!r}"
        raise ValueError(f"point {name!r} does not say where the anchor ran: {said}")
    return readings[0]


def _is_written_value(text: str) -> bool:
    """Whether `text` is a value as it stood in a name: positive, with six digits at most or with all of them."""
    try:
        value = float(text)
    except ValueError:
        return False
    return value > 0 and math.isfinite(value) and text in (f"{value:g}", repr(value))
