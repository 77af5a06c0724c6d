"""What the codecs of a run are driven to: the anchor's file size, or what one metric says of the anchor's file."""

from dataclasses import dataclass

from isorate.metrics.base import Scale, quality

SIZE = "size"


@dataclass(frozen=True, slots=True)
class Aim:
    """What is held equal.

    Attributes
    ----------
    name
        ``size``, or the metric's name.
    label
        What a reader sees: ``rate``, ``PSNR``.
    tolerance, unit
        The residual that counts as matched, and its unit: percent of the size, or that of the metric's curve scale.
    digits
        Decimals that a residual is printed with.
    scale, larger_is_better
        The metric's.
    """

    name: str
    label: str
    tolerance: float
    unit: str
    digits: int = 3
    scale: Scale = "as it is"
    larger_is_better: bool = True

    @classmethod
    def size(cls, tolerance_pct: float) -> "Aim":
        """Return the file size, within a tolerance in percent."""
        return cls(SIZE, "rate", tolerance_pct, "%", 2)

    @property
    def of_size(self) -> bool:
        """Whether the file size is held equal."""
        return self.name == SIZE

    @property
    def words(self) -> str:
        """How a value is marked that counts there: ``at equal PSNR``."""
        return f"at equal {self.label}"

    def height(self, value: float) -> float:
        """Return a value of the metric on the scale of its curves, which rises with quality."""
        return quality(value, self.scale, larger_is_better=self.larger_is_better)
