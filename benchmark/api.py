"""The Python way to what ``isorate run`` and ``isorate encode --bpp`` do."""

import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from isorate.codecs.base import Codec
from isorate.codecs.registry import CodecSpec
from isorate.datasets.registry import open_dataset
from isorate.engine.cache import ENVIRONMENT as CACHE_FOLDER
from isorate.engine.cache import cache_dir
from isorate.engine.plan import DEFAULT_ANCHOR, DEFAULT_CODECS, make_plan
from isorate.engine.runner import Progress, run_plan
from isorate.errors import MatchError
from isorate.image import Image, frozen
from isorate.matching.outcome import Match, Policy
from isorate.runs.folder import Run


def run(
    data: str | Path,
    out: str | Path,
    *,
    anchor: Codec | str = DEFAULT_ANCHOR,
    codecs: Sequence[Codec | str] = DEFAULT_CODECS,
    points: Sequence[str] = (),
    curve_points: Sequence[str] = (),
    images: Sequence[str] = (),
    policy: Policy | str = Policy.NEAREST,
    tolerance_pct: float = 0.5,
    workers: int | None = None,
    executor: Executor | None = None,
    overwrite: bool = False,
    use_cache: bool = True,
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> Run:
    """Compare codecs at the anchor's rates and keep everything in a run folder.

    Parameters
    ----------
    data
        ``kodak``, ``samples``, or a folder of images.
    out
        The run folder. The same call on the same folder continues it.
    anchor
        The codec whose files set the rates: an instance, or a name with options as in ``bpg:chroma=420``.
    codecs
        The codecs that are driven to those rates; the anchor may be among them. One whose class is not registered
        travels to the workers by pickle, and ``isorate reproduce`` will not find it.
    points
        The anchor's operating points: ``qp=37``, ``bpp=0.2``, or ``paper``; its default when empty.
    curve_points
        Further points, written the same way, for curves only: their decoded pictures are not kept.
    images
        Names of the images to use; all when empty.
    policy
        ``nearest``, ``at-most`` or ``strict``.
    tolerance_pct
        A residual up to this counts as matched, in percent.
    workers, executor, overwrite
        See :func:`isorate.engine.runner.run_plan`.
    use_cache
        Whether encodes may come from, and go to, the user's cache.
    command
        For the manifest.
    progress
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
    """
    specs = [CodecSpec.of(codec) for codec in (anchor, *codecs)]
    for spec in specs:
        spec.adapter()  # a misspelt codec is said before a data set is downloaded
    cache = cache_dir()
    if use_cache and cache is None:
        warnings.warn(f"going on without a cache: no home folder; name one in {CACHE_FOLDER}", stacklevel=2)
    dataset = open_dataset(str(data), cache)
    if images:
        dataset = dataset.only(list(images))
    plan = make_plan(dataset, specs[0], specs[1:], points, Policy(policy), tolerance_pct, curve_points)
    return run_plan(
        plan,
        Path(out),
        cache_path=cache / "encodes" if use_cache and cache else None,
        command=list(command),
        workers=workers,
        executor=executor,
        overwrite=overwrite,
        progress=progress,
    )


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
        Bits per pixel of the whole file, above 0.
    tolerance_pct, policy
        As for :func:`isorate.matching.search.match_size`.

    Returns
    -------
    The file, and how it was found.

    Raises
    ------
    MatchError
        For a target that is not a positive number, or under ``strict`` outside the tolerance.

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
    num_bytes = target_bpp * image.shape[0] * image.shape[1] / 8
    return codec.encode_to_size(frozen(image), num_bytes, tolerance_pct=tolerance_pct, policy=Policy(policy))
