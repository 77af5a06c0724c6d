"""How much a figure may get worse: stated defaults, overridden by codec, metric and image in TOML.

::

    [tolerances.psnr]
    absolute = 0.02            # dB

    [[tolerances.override]]    # the last one that fits counts
    codec = "jpeg*"
    metric = "psnr"
    image = "kodim0?"
    absolute = 0.1
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from isorate.errors import UsageError
from isorate.files.toml import Place, TomlFile
from isorate.metrics.registry import names

METRICS = ("psnr", "ms_ssim", "bpp")
"""What every run has; further metrics bring their tolerance along."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A figure may get worse by the larger of `absolute` and `relative` times the baseline's value."""

    absolute: float = 0.0
    relative: float = 0.0

    def allowed(self, value: float) -> float:
        """Return by how much `value` may get worse."""
        return max(self.absolute, self.relative * abs(value))


DEFAULTS = {
    "psnr": Tolerance(absolute=0.02),
    "ms_ssim": Tolerance(absolute=0.0002),
    "bpp": Tolerance(absolute=0.0005, relative=0.01),
}
"""PSNR in dB, MS-SSIM from 0 to 1, rate in bits per pixel. A rate moves within the run's own matching tolerance."""


@dataclass(frozen=True, slots=True)
class Override:
    """A tolerance for what fits three patterns in the manner of file names."""

    tolerance: Tolerance
    codec: str = "*"
    metric: str = "*"
    image: str = "*"

    def fits(self, codec: str, metric: str, image: str) -> bool:
        """Whether it is about this figure."""
        pairs = ((codec, self.codec), (metric, self.metric), (image, self.image))
        return all(fnmatchcase(value, pattern) for value, pattern in pairs)


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Every tolerance of a check."""

    defaults: tuple[tuple[str, Tolerance], ...] = tuple(DEFAULTS.items())
    overrides: tuple[Override, ...] = ()

    def of(self, codec: str, metric: str, image: str, own: float | None = None) -> Tolerance:
        """Return the tolerance of one figure: the last override that fits, else the metric's default, else its `own`.

        Raises
        ------
        UsageError
            Where there is none.
        """
        fitting = [o.tolerance for o in self.overrides if o.fits(codec, metric, image)]
        if fitting:
            return fitting[-1]
        stated = dict(self.defaults)
        if metric in stated:
            return stated[metric]
        if own is None:
            raise UsageError(
                f"metric {metric} states no tolerance; write one into isorate.toml: [tolerances.{metric}] absolute = …"
            )
        return Tolerance(absolute=own)


def read_tolerances(file: TomlFile) -> Tolerances:
    """Return the tolerances of a file's ``[tolerances]``.

    Raises
    ------
    UsageError
        For an unknown key or a value that is no number from 0 on; the message names the line.
    """
    table = file.table(file.data, "tolerances")
    place: Place = ("tolerances",)
    metrics = (*METRICS, *names())
    file.check_keys(table, [*metrics, "override"], place)
    defaults = dict(DEFAULTS)
    for metric in metrics:
        if metric in table:
            values = file.table(table, metric, place)
            file.check_keys(values, ["absolute", "relative"], (*place, metric))
            defaults[metric] = _tolerance(file, values, (*place, metric))
    listed = table.get("override", [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise file.error((*place, "override"), "override is written as [[tolerances.override]] tables")
    overrides = [_override(file, item, (*place, "override", index)) for index, item in enumerate(listed)]
    return Tolerances(tuple(defaults.items()), tuple(overrides))


def _override(file: TomlFile, item: dict[str, Any], place: Place) -> Override:
    file.check_keys(item, ["codec", "metric", "image", "absolute", "relative"], place)
    patterns = {key: item[key] for key in ("codec", "metric", "image") if key in item}
    for key, value in patterns.items():
        if not isinstance(value, str):
            raise file.error((*place, key), f"{key} is {value!r}; a name or a pattern in quotes is needed")
    metric = patterns.get("metric", "*")
    metrics = (*METRICS, *names())
    if not any(fnmatchcase(name, metric) for name in metrics):
        raise file.error((*place, "metric"), f"metric {metric!r} is none of {', '.join(metrics)}")
    if not {"absolute", "relative"} & set(item):
        raise file.error(place, "an override needs absolute or relative")
    return Override(_tolerance(file, item, place), **patterns)


def _tolerance(file: TomlFile, values: dict[str, Any], place: Place) -> Tolerance:
    found = {key: values[key] for key in ("absolute", "relative") if key in values}
    for key, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise file.error((*place, key), f"{key} is {value!r}; a number from 0 on is needed")
    return Tolerance(**found)
