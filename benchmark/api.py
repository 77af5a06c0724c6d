"""The Python way to what ``isorate run`` and ``isorate encode --bpp`` do."""

import atexit
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from isorate.codecs.base import Codec, encoded_by, file_of, knob_of
from isorate.codecs.registry import CodecSpec
from isorate.datasets.base import Dataset
from isorate.datasets.given import given
from isorate.datasets.registry import is_picture_file, open_dataset
from isorate.engine.cache import ENVIRONMENT as CACHE_FOLDER
from isorate.engine.cache import cache_dir
from isorate.engine.images import Preparing
from isorate.engine.plan import DEFAULT_ANCHOR, DEFAULT_CODECS, make_plan
from isorate.engine.points import RATES
from isorate.engine.runner import Progress, run_plan
from isorate.errors import MatchError, UsageError
from isorate.image import Image, frozen
from isorate.matching.outcome import Match, Policy
from isorate.run_results import RunResults
from isorate.runs.aim import SIZE
from isorate.runs.folder import Run
from isorate.runs.keep import Keep

Images: TypeAlias = "str | Path | Mapping[str, Image | Path | str] | Sequence[Path | str]"
"""A data set's name, a folder, a manifest or a file; arrays or files by name; or a list of files."""


def open_run(path: str | Path) -> RunResults:
    """Return the run in the folder `path`, as :func:`run` returned it.

    Raises
    ------
    RunError
        When there is none, or it is damaged or of another version.

    Examples
    --------
    >>> import isorate
    >>> made = isorate.run("samples", "runs/kept", anchor="jpeg", codecs=[], images=["coffee"], points=["quality=9"])
    >>> isorate.open_run("runs/kept").rows() == made.rows()
    True
    """
    found = Run.open(Path(path))
    return RunResults(found.path, found.manifest)


def run(
    data: Images,
    out: str | Path | None = None,
    *,
    anchor: Codec | str = DEFAULT_ANCHOR,
    codecs: Sequence[Codec | str] = DEFAULT_CODECS,
    points: Sequence[str] = (),
    curve_points: Sequence[str] = (),
    images: Sequence[str] = (),
    metrics: Sequence[str] = (),
    policy: Policy | str = Policy.NEAREST,
    tolerance_pct: float = 0.5,
    match: str = SIZE,
    tolerance_quality: float | None = None,
    keep: Keep | str | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    overwrite: bool = False,
    use_cache: bool = True,
    command: Sequence[str] = (),
    progress: Progress | None = None,
    preparing: Preparing | None = None,
) -> RunResults:
    """Compare codecs at the anchor's rates, or at its quality, and keep everything in a run folder.

    It works the same in a script without a ``__main__`` guard, on standard input and in a notebook.

    Parameters
    ----------
    data
        The images: ``kodak``, ``samples``, a name that ``isorate datasets add`` gave, a folder, a manifest (``.toml``,
        ``.csv``, ``.txt``, ``.tar``), a file, a list of files, or names with arrays (shape ``(height, width, 3)``,
        dtype uint8, sRGB) or files.
    out
        The run folder. The same call on the same folder continues it. By default a temporary one, which is removed
        when Python ends.
    anchor
        The codec whose files set the rates, or the quality: an instance, or a name with options as in
        ``bpg:chroma=420``.
    codecs
        The codecs that are driven to those; the anchor may be among them. One whose class is not registered
        travels to the workers as it is, also from a script or a notebook, and ``isorate reproduce`` will not find it.
    points
        The anchor's operating points: ``qp=37``, ``bpp=0.2``, or ``paper``; its default when empty.
    curve_points
        Further points, written the same way, for curves only: their decoded pictures are not kept.
    images
        Names of the images to use; all when empty.
    metrics
        Metrics beside PSNR and MS-SSIM, by the names of ``isorate metrics``: ``ssimulacra2``.
    policy
        ``nearest``, ``at-most`` or ``strict``.
    tolerance_pct
        A residual up to this counts as matched, in percent of the size.
    match
        What is held equal: ``size``, or a metric: ``psnr``, ``ms_ssim``, or one of ``isorate metrics``. The codecs are
        then driven to what it says of the anchor's file, and points such as ``psnr=35`` drive the anchor to a value.
    tolerance_quality
        With a metric, the gap that counts as matched, on the scale of its curves (dB for PSNR and MS-SSIM); by default
        0.02 dB, or what the metric states.
    keep
        What stays in the folder beside the rows: ``decoded`` (files, their pixels, and the originals'), ``streams``
        (files alone) or ``none``. By default ``decoded``, in a folder with a run what that keeps; it may be more than
        before.
    workers, executor, overwrite
        See :func:`isorate.engine.runner.run_plan`.
    use_cache
        Whether encodes may come from, and go to, the user's cache.
    command
        For the manifest.
    progress, preparing
        See :func:`isorate.engine.runner.run_plan`.

    Returns
    -------
    The run; its rows say which cells failed.

    Raises
    ------
    IsorateError
        When nothing could run; see the subclasses.

    Examples
    --------
    >>> import isorate
    >>> from isorate.codecs.bpg import Bpg
    >>> from isorate.codecs.jpeg import Jpeg
    >>> one = {"images": ["coffee"], "points": ["qp=37"]}
    >>> run = isorate.run("samples", "runs/jpeg", anchor=Bpg(chroma="420"), codecs=[Jpeg(mode="integer")], **one)
    >>> [(row.codec, row.status) for row in run.rows()]
    [('bpg', 'ok'), ('jpeg', 'ok')]

    Arrays, and no folder to keep:

    >>> from skimage.data import astronaut
    >>> run = isorate.run({"astronaut": astronaut()}, codecs=["jpeg2000"], anchor=Jpeg(), points=["quality=20"])
    >>> [f"{curve.name}: {len(curve.points)} point" for curve in run.curves()]
    ['JPEG: 1 point', 'JPEG2000: 1 point']
    """
    kept = None if keep is None else _keep(keep)
    specs = [CodecSpec.of(codec) for codec in (anchor, *codecs)]
    for spec in specs:
        spec.adapter()  # a misspelt codec is said before a data set is downloaded
    cache = cache_dir()
    if use_cache and cache is None:
        warnings.warn(f"going on without a cache: no home folder; name one in {CACHE_FOLDER}", stacklevel=2)
    with tempfile.TemporaryDirectory(prefix="isorate-images-") as folder:
        dataset = _dataset(data, cache, Path(folder))
        if images:
            dataset = dataset.only(list(images))
        plan = make_plan(
            dataset, specs[0], specs[1:], points, Policy(policy), tolerance_pct, curve_points, metrics, match,
            tolerance_quality, kept,
        )  # fmt: skip
        done = run_plan(
            plan,
            _temporary() if out is None else Path(out),
            cache_path=cache / "encodes" if use_cache and cache else None,
            command=list(command),
            workers=workers,
            executor=executor,
            overwrite=overwrite,
            progress=progress,
            preparing=preparing,
        )
    return RunResults(done.path, done.manifest)


def _keep(name: str) -> Keep:
    try:
        return Keep(name)
    except ValueError:
        raise UsageError(f"keep {name!r}: there are {', '.join(Keep)}") from None


def _dataset(data: Images, cache: Path | None, folder: Path) -> Dataset:
    if not isinstance(data, str | Path):
        return given(data, folder)
    if is_picture_file(str(data)):
        return given([data], folder)
    return open_dataset(str(data), cache)


def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="isorate-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def match(
    codec: Codec,
    image: Image,
    target_bpp: float,
    *,
    tolerance_pct: float = 0.5,
    policy: Policy | str = Policy.NEAREST,
) -> tuple[bytes, Match]:
    """Encode `image` at the rate `target_bpp`.

    Parameters
    ----------
    codec
        Any codec.
    image
        Shape ``(height, width, 3)``, dtype uint8, sRGB.
    target_bpp
        Bits per pixel of the whole file, from 1e-6 to 1e6.
    tolerance_pct, policy
        As for :func:`isorate.matching.search.match_size`.

    Returns
    -------
    The file, and how it was found.

    Raises
    ------
    CodecError
        When the codec fails, or what it returns is no file.
    MatchError
        For a target that is no number from 1e-6 to 1e6, or under ``strict`` outside the tolerance.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from isorate.codecs.jpeg import Jpeg
    >>> data, found = match(Jpeg(), astronaut(), 0.5)
    >>> abs(found.residual_pct) < 0.5
    True
    """
    image = np.ascontiguousarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise MatchError(f"image of shape {image.shape}, {image.dtype}: (height, width, 3) uint8 is needed")
    if not RATES[0] <= target_bpp <= RATES[1]:
        raise MatchError(f"target of {target_bpp:g} bpp: a number from {RATES[0]:g} to {RATES[1]:g} is needed")
    knob_of(codec)
    num_bytes = target_bpp * image.shape[0] * image.shape[1] / 8
    data, found = codec.encode_to_size(
        frozen(image), num_bytes, tolerance_pct=tolerance_pct, policy=Policy(policy), encode=partial(encoded_by, codec)
    )
    return file_of(codec, data, f"for a size of {num_bytes:.0f} bytes"), found
