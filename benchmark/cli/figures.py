"""``isorate figures``."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from isorate.cli.numbers import Inches, Resolution


def figures(
    run: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    image: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    width: Inches = 6.75,
    format: Annotated[tuple[Literal["pdf", "png"], ...], Parameter(negative="")] = ("pdf", "png"),
    dpi: Resolution = 300,
    style: str | None = None,
    published: str | None = None,
) -> None:
    """Write a run's figures for a paper: magnified crops over their numbers, whole images with boxes, RD curves.

    Examples
    --------
    ```
    isorate figures runs/kodak --image kodim15
    isorate figures runs/kodak -o paper/figures --width 3.25 --format pdf --style icml2024
    ```

    Parameters
    ----------
    run
        The run folder.
    out
        Folder of the figures; `RUN/figures` by default.
    image
        Draw this image only; repeat it for more.
    width
        Width of a figure in inches: a paper's column or text width.
    format
        `pdf` (vector text, embedded fonts) or `png`; repeat it for both.
    dpi
        Resolution of a PNG.
    style
        A bundle of tueplots, such as `icml2024` (pip install tueplots).
    published
        Published rate-distortion curves to draw beside the measured ones: `kodak` (they come with isorate;
        `kodak:vvc,av1` takes those with such names), a CSV with codec, bpp, psnr_rgb, ms_ssim (or ms_ssim_db), or
        CompressAI's JSON.
    """
    from isorate.reports.figures import draw
    from isorate.reports.results import Comparison
    from isorate.runs.folder import Run
    from isorate.runs.paths import inside

    comparison = Comparison(Run.open(run))
    for path in draw(
        comparison, inside(run, "figures") if out is None else out, images=image or None, width=width, formats=format,
        dpi=dpi, style=style, published=published,
    ):  # fmt: skip
        print(path)
    if why := comparison.manifest.keep.without_pictures:
        print(f"{run}: only curves: {why}", file=sys.stderr)
    if comparison.unfinished:
        print(f"{run}: {comparison.unfinished}", file=sys.stderr)
    for place, why in sorted(comparison.lost.items()):
        print(f"{place}: {why}", file=sys.stderr)
