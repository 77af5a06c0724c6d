"""Finding metrics: by name, from one lazy table and installed packages' ``isorate.metrics`` entry points."""

import difflib
import hashlib
import importlib
import inspect
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from uuid import uuid4

from isorate.errors import MetricUnavailableError, UsageError
from isorate.files.code import code_at, file_digest, modules_of, places_of
from isorate.metrics.base import Metric

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
    return [*BUILT_IN, *sorted(set(_plugins()) - set(BUILT_IN))]


@cache
def metric(name: str) -> Metric:
    """Return a metric.

    Raises
    ------
    UsageError
        For an unknown name; the message offers the nearest one.
    MetricUnavailableError
        When the module that holds it cannot be imported.
    """
    target = BUILT_IN.get(name) or _plugins().get(name)
    if target is None:
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names())}"
        always = "; it is always measured" if name in ALWAYS else f"; {hint}"
        raise UsageError(f"no metric {name!r} to be added{always}")
    module, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except Exception as error:  # a package of anyone's
        raise MetricUnavailableError(f"metric {name}: {error}; install or mend the package that provides it") from error
    if not (isinstance(found, type) and issubclass(found, Metric)) or inspect.isabstract(found) or found.name != name:
        raise MetricUnavailableError(f"metric {name}: {target} is no metric of that name (a subclass of {Metric!r})")
    return found()


@cache
def metric_identity(name: str) -> str:
    """Return the digest of what computes a metric: its code, its implementation: SHA-256 in hexadecimal.

    The code is every file of the packages that define its class and the bases of that, and of the modules beside these
    that they import; of isorate's own metrics the modules beside them, whose helpers they share.

    Raises
    ------
    MetricUnavailableError
        When it cannot run here.
    """
    found = metric(name)
    digest = hashlib.sha256(f"{name} {found.implementation} {found.measured_on}\n".encode())
    for module in sorted(modules_of(type(found))):
        files = _code(module)
        for file_name, path in files:
            digest.update(f"{file_name} {file_digest(path)}\n".encode())
        if not files:  # as of a class that a notebook made: another one in every process
            digest.update(uuid4().bytes)
    return digest.hexdigest()


def _code(module: str) -> list[tuple[str, Path]]:
    root = module.partition(".")[0]
    if root == __name__.partition(".")[0]:
        return sorted((path.name, path) for place in places_of(module) for path in place.parent.glob("*.py"))
    return sorted(code_at(places_of(root)))


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
        _ = metric(name).implementation
    return found


def list_metrics() -> list[dict[str, Any]]:
    """Return what every metric says of itself, as JSON types; those that cannot run here with what to install."""
    return [_listed(name) for name in names()]


def _listed(name: str) -> dict[str, Any]:
    try:
        found = metric(name)
        return {
            "name": name, "label": found.label, "unit": found.unit, "larger_is_better": found.larger_is_better,
            "scale": found.scale, "measured_on": found.measured_on, "implementation": found.implementation,
            "available": True, "hint": "",
        }  # fmt: skip
    except MetricUnavailableError as error:
        return {"name": name, "available": False, "hint": str(error)}


@cache
def _plugins() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
