"""Finding metrics: by name, from one lazy table and installed packages' ``isorate.metrics`` entry points."""

import difflib
import hashlib
import json
import math
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from numbers import Real
from pathlib import Path
from typing import Any

from isorate.errors import IsorateError, MetricError, MetricUnavailableError, UsageError
from isorate.files.code import code_of, content_of, modules_of, places_of, released
from isorate.files.numbers import LARGEST_NUMBER, is_finite
from isorate.image import Image
from isorate.metrics.base import Metric
from isorate.plugins import OTHER_NAME, TELL, Offers, Plugins, by_name, ignored, said, several

OURS = __name__.partition(".")[0]
METRICS = Plugins("metric", Metric, ("name", "label", "measured_on"), MetricUnavailableError)  # type: ignore[type-abstract]
ENTRY_POINT_GROUP = "isorate.metrics"
ALWAYS = ("psnr", "ms_ssim")
"""Measured in every run, as columns of their own."""

BUILT_IN = {
    "psnr_y": "isorate.metrics.psnr_ycbcr:PsnrY",
    "psnr_611": "isorate.metrics.psnr_ycbcr:Psnr611",
    "ssim": "isorate.metrics.ssim:Ssim",
    "ciede2000": "isorate.metrics.ciede2000:Ciede2000",
    "flip": "isorate.metrics.flip:Flip",
    "ssimulacra2": "isorate.metrics.ssimulacra2:Ssimulacra2",
    "vmaf": "isorate.metrics.libvmaf:Vmaf",
    "psnr_hvs": "isorate.metrics.libvmaf:PsnrHvs",
    "lpips": "isorate.metrics.perceptual.lpips:Lpips",
    "dists": "isorate.metrics.perceptual.dists:Dists",
}


def names() -> list[str]:
    """Return every known metric beside PSNR and MS-SSIM, the project's own first."""
    return [*BUILT_IN, *sorted(set(_plugins()) - {*ALWAYS, *BUILT_IN})]


@cache
def metric(name: str) -> Metric:
    """Return a metric.

    Raises
    ------
    UsageError
        For an unknown name; the message offers the nearest one.
    MetricUnavailableError
        When the module that holds it cannot be imported, or packages offer several of this name.
    """
    offers = () if name in (*ALWAYS, *BUILT_IN) else _plugins().get(name, ())
    if len(offers) > 1:
        raise MetricUnavailableError(f"metric {name}: {several(offers)}")
    target = offers[0].value if offers else BUILT_IN.get(name)
    if target is None:
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names())}"
        always = "; it is always measured" if name in ALWAYS else f"; {hint}"
        raise UsageError(f"no metric {name!r} to be added{always}")
    return _made(name, target)


def _made(name: str, target: str) -> Metric:
    found = METRICS.load(name, target)
    if found.name != name:
        raise MetricUnavailableError(f"metric {name}: {target} calls itself {found.name!r}; {TELL}")
    with METRICS.others_code(name, "cannot be made"):
        return found()


def implementation_of(name: str) -> str:
    """Return the library that computes a metric, with its version.

    Raises
    ------
    MetricUnavailableError
        When it cannot run here; the message says what to install.
    """
    found = metric(name)
    with METRICS.others_code(name, "cannot say what computes it"):
        implementation: object = found.implementation
    if not isinstance(implementation, str):
        what = type(implementation).__name__
        raise MetricUnavailableError(f"metric {name}: its implementation is {what}, no text; {TELL}")
    return implementation


def measured_by(name: str, reference: Image, decoded: Image) -> float | None:
    """Return what a metric, of anyone's package, says of two pictures, if a row can hold that.

    Raises
    ------
    MetricError
        When it is no number, or measuring fails; the text names the metric, not the codec whose file is measured.
    """
    measure = metric(name)
    try:
        value = measure.measure(reference, decoded)
    except (IsorateError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise MetricError(f"metric {name}: fails: {said(error)}; {TELL}") from error
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not (value == math.inf or is_finite(value)):
        needed = f"a number from {-LARGEST_NUMBER:g} to {LARGEST_NUMBER:g}, inf or None is needed"
        raise MetricError(f"metric {name}: measure returned {value!r:.80}; {needed}; {TELL}")
    return float(value)


@cache
def metric_identity(name: str) -> str:
    """Return the digest of what computes a metric: its code, its implementation: SHA-256 in hexadecimal.

    The code is every file of the packages that define its class and the bases of that, and of the modules beside these
    that they import, or are installed with; of isorate's own metrics the modules beside them, whose helpers they share.
    Bases from other installed packages, as PyTorch's, count by the versions of these.

    Raises
    ------
    MetricUnavailableError
        When it cannot run here.
    """
    found = metric(name)
    digest = hashlib.sha256(f"{name} {implementation_of(name)} {found.measured_on}\n".encode())
    own = _root(type(found).__module__)
    for module in sorted(modules_of(type(found))):
        if _root(module) != OURS and (releases := released(_root(module), own)):
            digest.update(f"{releases}\n".encode())
            continue
        digest.update(content_of(_code(module)))
    return digest.hexdigest()


def _code(module: str) -> list[tuple[str, Path]]:
    if _root(module) == OURS:
        return sorted((path.name, path) for place in places_of(module) for path in place.parent.glob("*.py"))
    return code_of(_root(module))


def _root(module: str) -> str:
    return module.partition(".")[0]


def check_names(chosen: Iterable[str]) -> tuple[str, ...]:
    """Return the metrics to be added, each once, after making sure that every one can run here.

    Raises
    ------
    UsageError
        For an unknown name.
    MetricUnavailableError
        For one that cannot run; the message says what to install.
    """
    found = tuple(dict.fromkeys(chosen))
    for name in found:
        implementation_of(name)
    return found


def list_metrics() -> list[dict[str, Any]]:
    """Return what every metric says of itself, as JSON types; those that cannot run here with what to install.

    At the end stand plug-ins whose names are taken, with their packages.
    """
    taken = dict.fromkeys((*ALWAYS, *BUILT_IN), f"a built-in metric's name; {OTHER_NAME}")
    passed = ignored("metric", _plugins(), taken)
    return [*map(_listed, names()), *(_unavailable(name, why) for name, why in passed.items())]


def _listed(name: str) -> dict[str, Any]:
    try:
        found = metric(name)
        with METRICS.others_code(name, "cannot say what it is"):
            listed = {
                "name": name, "label": found.label, "unit": found.unit, "larger_is_better": found.larger_is_better,
                "scale": found.scale, "measured_on": found.measured_on, "implementation": implementation_of(name),
                "available": True, "hint": "",
            }  # fmt: skip
            json.dumps(listed, allow_nan=False)
        return listed
    except MetricUnavailableError as error:
        return _unavailable(name, str(error))


def _unavailable(name: str, hint: str) -> dict[str, Any]:
    return {"name": name, "available": False, "hint": hint}


@cache
def _plugins() -> Offers:
    return by_name(entry_points(group=ENTRY_POINT_GROUP))
