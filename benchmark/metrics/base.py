"""What a metric must offer to be a column of a comparison."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Literal, TypeAlias

from isorate.image import Image

Scale: TypeAlias = Literal["as it is", "similarity", "error"]


class Metric(ABC):
    """A number for what was decoded in an image's place. Instances are cheap and pickle: workers make them anew."""

    name: ClassVar[str]
    """The registry's name, a key of rows: ``psnr_y``."""
    label: ClassVar[str]
    """The name that a reader sees: ``PSNR of Y``."""
    unit: ClassVar[str] = ""
    """``dB``, or empty."""
    larger_is_better: ClassVar[bool] = True
    """The direction."""
    scale: ClassVar[Scale] = "as it is"
    """How :func:`quality` makes of a value what curves and BD-rates are drawn over."""
    digits: ClassVar[int] = 3
    """Decimals that a table prints."""
    tolerance: ClassVar[float | None] = None
    """By how much the gate lets a value get worse, in the metric's own unit; None leaves it to the user."""
    measured_on: ClassVar[str]
    """Which samples are compared: colour space, matrix, range, depth, viewing conditions."""

    @property
    @abstractmethod
    def implementation(self) -> str:
        """The library that computes it, with its version: part of a measurement's identity.

        Raises
        ------
        MetricUnavailableError
            When it is missing; the message says what to install.
        """

    @abstractmethod
    def measure(self, reference: Image, decoded: Image) -> float | None:
        """Return the value, or None where it is not defined (too small a picture, say).

        Parameters
        ----------
        reference, decoded
            Shape ``(height, width, 3)``, dtype uint8, sRGB.

        Raises
        ------
        ImageError
            When the shapes differ.
        """


def quality(value: float, scale: Scale, *, larger_is_better: bool = True) -> float:
    """Return `value` on a scale that rises with quality, in decibels where `scale` says so.

    A similarity of at most 1 becomes ``-10 log10(1 - value)``, an error of at least 0 ``-10 log10(value)``; any other
    value is taken as it is, with its sign turned where smaller is better.

    >>> quality(0.99, "similarity"), quality(0.1, "error", larger_is_better=False)
    (20.0, 10.0)
    """
    if scale == "as it is":
        return value if larger_is_better else -value
    error = 1 - value if scale == "similarity" else value
    return math.inf if error <= 0 else round(-10 * math.log10(error), 10)


def from_quality(value: float, scale: Scale) -> float:
    """Return what :func:`quality` made `value` of, where larger is better or the scale is an error's.

    >>> from_quality(20.0, "similarity"), from_quality(10.0, "error")
    (0.99, 0.1)
    """
    if scale == "as it is":
        return value
    error = 10 ** (-value / 10)
    return 1 - error if scale == "similarity" else error


def on_line(one: float | None, other: float | None, share: float, scale: Scale) -> float | None:
    """Return the value at a share of the way from one to another, on the scale; None unless both are finite on it.

    >>> on_line(30.0, 32.0, 0.25, "as it is"), on_line(30.0, None, 0.25, "as it is")
    (30.5, None)
    """
    ends = [quality(value, scale) for value in (one, other) if value is not None]
    if len(ends) < 2 or not all(map(math.isfinite, ends)):
        return None
    return from_quality(ends[0] + share * (ends[1] - ends[0]), scale)
