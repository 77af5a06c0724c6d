"""``isorate run``."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.api import run as run_comparison
from isorate.cli.exit_codes import FAILED_CELLS
from isorate.matching import Policy
from isorate.plan import DEFAULT_ANCHOR, DEFAULT_CODECS


def run(
    *,
    data: Annotated[str, Parameter(env_var="ISORATE_DATA")] = "kodak",
    anchor: str = DEFAULT_ANCHOR,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    codec: Annotated[tuple[str, ...], Parameter(negative="")] = DEFAULT_CODECS,
    point: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    image: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    policy: Policy = Policy.NEAREST,
    tolerance: float = 0.5,
    workers: int | None = None,
    overwrite: bool = False,
    cache: bool = True,
) -> int:
    """Compare codecs at the anchor's file sizes, image by image, into a run folder.

    The same command on the same folder continues where it stopped.

    Examples
    --------
    ```
    isorate run --data kodak --anchor bpg -o runs/kodak
    isorate run --data photos/ --anchor jpeg --point quality=10 --point bpp=0.5 -o runs/photos
    isorate run --codec jpeg:mode=integer --codec jpeg2000 --anchor bpg:chroma=420 -o runs/other
    ```

    Parameters
    ----------
    data
        `kodak`, `samples`, or a folder of images.
    anchor
        The codec whose files set the rates, with options as in `bpg:chroma=420`.
    out
        The run folder.
    codec
        A codec to drive to those rates; repeat it for more.
    point
        An operating point of the anchor: `qp=37`, `bpp=0.2`, or `paper` (the supplementary's); repeat it for more.
    image
        Use this image only; repeat it for more.
    policy
        Which size counts as matched.
    tolerance
        A residual up to this counts as matched, in percent.
    workers
        Processes; all usable cores by default.
    overwrite
        Start anew when the folder holds another run.
    cache
        Reuse encodes of earlier runs.
    """
    from tqdm import tqdm

    with tqdm(total=0, unit="cell", desc=f"{anchor}'s rates", file=sys.stderr) as bar:

        def show(counts: Counter[str], done: int, total: int) -> None:
            if bar.total != total:
                bar.reset(total)
                bar.initial = done
            bar.update(done - bar.n)
            bar.set_postfix(counts)

        done = run_comparison(
            data, out, anchor=anchor, codecs=codec, points=point, images=image, policy=policy, tolerance_pct=tolerance,
            workers=workers, overwrite=overwrite, use_cache=cache, command=["isorate", *sys.argv[1:]], progress=show,
        )  # fmt: skip
    rows = done.rows()
    failed = [row for row in rows if not row.ok]
    for row in failed:
        print(f"{row.image}, {row.codec} at {row.point}: {row.status}", file=sys.stderr)
    noted = sum(1 for row in rows if row.ok and row.note)
    print(
        f"{out}: {len(rows) - len(failed)} rows, {len(failed)} failed, {noted} with a note; next: isorate report {out}"
    )
    return FAILED_CELLS if failed else 0
