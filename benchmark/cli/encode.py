"""``isorate encode``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.numbers import Positive
from isorate.errors import UsageError


def encode(
    image: Path,
    out: Path,
    /,
    *,
    codec: Annotated[str | None, Parameter(name=["--codec", "-c"])] = None,
    bpp: Positive | None = None,
    knob: float | None = None,
    tolerance: Positive = 0.5,
    config: Path | None = None,
    json: bool = False,
) -> None:
    """Encode an image to a file of a given rate, or at a given knob value.

    Examples
    --------
    ```
    isorate encode photo.png photo.jp2 --bpp 0.2
    isorate encode photo.png photo.bpg --knob 37
    isorate encode photo.png photo.bin --codec jpeg:chroma=444 --bpp 0.5
    ```

    Parameters
    ----------
    image
        8-bit RGB PNG or the like.
    out
        The file to write; its ending chooses the codec where `--codec` does not.
    codec
        The codec, with options as in `jpeg:chroma=444`.
    bpp
        Target in bits per pixel, every byte counted.
    knob
        Value of the codec's rate knob.
    tolerance
        A residual up to this counts as matched, in percent.
    config
        The configuration with `[codec.…]` tables; `isorate.toml` of this folder by default, where there is one.
    json
        Print JSON for scripts.
    """
    if (bpp is None) == (knob is None):
        raise UsageError("give --bpp or --knob, one of them")
    import json as json_module
    import sys

    from isorate.api import match
    from isorate.cli.config import use_codecs
    from isorate.codecs.base import backend_of, encoded_by, knob_of
    from isorate.codecs.registry import at_work, codec_for
    from isorate.datasets.images import load_image
    from isorate.engine.points import RATES, check_value
    from isorate.files.atomic import write_output

    if bpp is not None and not RATES[0] <= bpp <= RATES[1]:
        raise UsageError(f"--bpp {bpp:g}: a number from {RATES[0]:g} to {RATES[1]:g} is needed")
    if out.exists() and image.exists() and out.samefile(image):
        raise UsageError(f"{out}: is the source itself; name another file to write")
    use_codecs(config)
    adapter = codec_for(out, codec)
    loaded = load_image(image)
    pixels = loaded.pixels
    for told in loaded.notes:
        print(f"{image}: {told}", file=sys.stderr)
    note = ""
    knobs: tuple[float, ...]
    if bpp is not None:
        with at_work(adapter):
            data, found = match(adapter, pixels, bpp, tolerance_pct=tolerance)
            knobs = found.best.knobs
            note = f", {found.residual_pct:+.2f} % off {bpp:g} bpp after {len(found.trace)} encodes"
            if found.passes is not None:
                note += f" ({found.passes} network passes)"
    else:
        assert knob is not None
        with at_work(adapter):
            check_value(adapter.name, knob, knob_of(adapter))
            knobs = adapter.knobs_at(knob)
            data = encoded_by(adapter, pixels, *knobs)
    with at_work(adapter):
        backend = backend_of(adapter)
    rate = 8 * len(data) / (pixels.shape[0] * pixels.shape[1])
    if json:
        said = {"file": str(out), "bytes": len(data), "bpp": rate, "knobs": knobs, "backend": backend}
        text = json_module.dumps(said)
    else:
        text = f"{out}: {len(data)} bytes, {rate:.4f} bpp{note} [{backend}]"
    write_output(out, data)
    print(text)
