"""``isorate time``."""

import json as json_module
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from isorate.cli.exit_codes import DONE, FAILED_CELLS
from isorate.cli.numbers import Count, Whole

if TYPE_CHECKING:
    from isorate.engine.timing import Times


def time(
    run: Path,
    /,
    *,
    repeat: Count = 5,
    codec: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    image: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    seed: Whole = 0,
    config: Path | None = None,
    allow_programs: bool = False,
    json: bool = False,
) -> int:
    """Time the encodes and decodes of a run alone: one worker, one thread, no cache, in random order.

    The seconds in a run's rows are of its pool, where other cells work at the same time. This encodes every file again
    at the knobs that the run found, and decodes it: once untimed, then N times. It prints medians over files and how
    far repeats lie apart. A file that its codec fitted to its size is timed with the whole fit.

    The exit code is 1 when a row could not be timed.

    Examples
    --------
    ```
    isorate time runs/kodak
    isorate time runs/kodak --repeat 3 --codec jpeg -o times.json
    ```

    Parameters
    ----------
    run
        The run folder; its copies of the images and its files are what is timed.
    repeat
        How often each encode and decode is timed.
    codec
        Time this codec only, by its name in the run; repeat it for more.
    image
        Time this image only; repeat it for more.
    out
        The file for every measurement as JSON; `RUN/times.json` by default.
    seed
        Of the random order.
    config
        The configuration with `[codec.…]` tables; `isorate.toml` of this folder by default, where there is one.
    allow_programs
        Run the programs that the run's manifest names for codecs that your configuration does not describe: only for a
        run whose origin you trust.
    json
        Print the JSON in place of the table.
    """
    from tqdm import tqdm

    from isorate.cli.config import use_codecs
    from isorate.engine.timing import time_run
    from isorate.files.atomic import write_output
    from isorate.files.standard_output import others_talk
    from isorate.runs.folder import Run
    from isorate.runs.paths import inside

    use_codecs(config)
    opened = Run.open(run)
    with tqdm(total=0, unit="file", file=sys.stderr, disable=None) as bar, others_talk():

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        times = time_run(
            opened, repeat, codecs=codec, images=image, seed=seed, allow_programs=allow_programs, progress=show
        )
    file = inside(run, "times.json") if out is None else out
    text = json_module.dumps(asdict(times), indent=1, ensure_ascii=False) + "\n"
    write_output(file, text.encode())
    print(text if json else _table(times), end="")
    print(f"{file}: every measurement", file=sys.stderr)
    return FAILED_CELLS if any(row.error for row in times.rows) else DONE


def _table(times: "Times") -> str:
    from isorate.engine.timing import spread
    from isorate.pictures.names import printable
    from isorate.reports.text import seconds

    lines = []
    for codec in dict.fromkeys(row.codec for row in times.rows):
        rows = [row for row in times.rows if row.codec == codec]
        cells = []
        for found in (spread([row.encode_s for row in rows]), spread([row.decode_s for row in rows])):
            if found is None:
                cells += ["–", "–", "–"]
            else:
                between = f"{seconds(found.least)}–{seconds(found.most)}"
                cells += [seconds(found.median), between, f"{found.repeats_pct:.0f} %"]
        lines.append([codec, str(sum(not row.error for row in rows)), *cells])
    head = ["codec", "files", "encode s", "of files", "repeats", "decode s", "of files", "repeats"]
    widths = [max(len(line[at]) for line in [head, *lines]) for at in range(len(head))]
    text = [
        f"{line[0]:{widths[0]}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in [head, *lines]
    ]
    notes = [
        f"Medians of {times.repeats} repeats on one thread, alone; repeats: how far a file's lie apart, in the median."
    ]
    if times.busy:
        notes.append(f"The machine was busy before (load {times.load:.1f}): measure again when it is idle.")
    if fitted := list(dict.fromkeys(row.codec for row in times.rows if row.whole_fit)):
        notes.append(f"With the whole fit to the size: {', '.join(fitted)}.")
    if other := list(dict.fromkeys(row.codec for row in times.rows if not row.same_file and not row.error)):
        notes.append(f"Made other files than the run's: {', '.join(other)}.")
    notes += [f"{row.image}, {row.codec}, {row.point}: {row.error}" for row in times.rows if row.error]
    return printable("\n".join([*text, "", *notes]) + "\n", keep="\n")
