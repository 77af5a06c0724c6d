"""``isorate report``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.numbers import Count


def report(
    run: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    single_file: bool = False,
    published: str | None = None,
    sample: Count = 200,
    image: Annotated[tuple[str, ...], Parameter(negative="")] = (),
) -> None:
    """Render a run as an HTML page that opens from disk.

    Examples
    --------
    ```
    isorate report runs/kodak
    isorate report runs/kodak -o page --single-file
    isorate report runs/kodak --published kodak:vvc,av1,bpg
    isorate report runs/kodak --sample 12
    ```

    Parameters
    ----------
    run
        The run folder.
    out
        Folder of the page; `RUN/report` by default.
    single_file
        Put every image inside the page.
    published
        Published rate-distortion curves to draw beside the measured ones: `kodak` (they come with isorate;
        `kodak:vvc,av1` takes those with such names), a CSV with codec, bpp, psnr_rgb, ms_ssim (or ms_ssim_db), or
        CompressAI's JSON.
    sample
        Show the pictures of so many images at most: where there are more, each codec's worst, best and middle ones and
        those on which the codecs differ most. The numbers are of all images.
    image
        Show the pictures of this image; repeat it for more.
    """
    from isorate.reports.page import render

    print(render(run, out, single_file=single_file, published=published, sample=sample, images=image))
