"""``isorate verify``."""

from typing import Annotated

from cyclopts import Parameter

from isorate.cli.exit_codes import DONE, FAILED_CELLS


def verify(*, data: Annotated[str, Parameter(env_var="ISORATE_DATA")] = "kodak") -> int:
    """Recompute the classical columns of the paper's supplementary and print ours, theirs and the difference.

    The exit code is 1 when a difference is outside its tolerance.

    Examples
    --------
    ```
    isorate verify --data kodak
    isorate verify --data /data/kodak
    ```

    Parameters
    ----------
    data
        `kodak`, or the folder of its PNGs.
    """
    from isorate.cache import cache_dir
    from isorate.datasets.registry import open_dataset
    from isorate.verify import verify as recompute
    from isorate.workers import usable_cores, worker_pool

    print("image    codec     bpp ours  theirs PSNR ours   theirs     diff MS-SSIM  theirs     diff")
    differ = 0
    backends = {}
    dataset = open_dataset(data, cache_dir())
    with worker_pool(usable_cores()) as pool:
        for row in recompute(dataset, pool):
            (bpp, psnr, similarity), (bpp_, psnr_, similarity_) = row.ours, row.theirs
            mark = "ok" if row.ok else f"DIFFERS (allowed: {row.tolerance.psnr:g} dB, {row.tolerance.ms_ssim:g})"
            print(
                f"{row.image:8} {row.codec:9} {bpp:8.4f} {bpp_:7.4f} {psnr:9.4f} {psnr_:8.4f} {psnr - psnr_:+8.4f} "
                f"{similarity:7.4f} {similarity_:7.4f} {similarity - similarity_:+8.5f}  {mark}",
                flush=True,
            )
            differ += not row.ok
            backends[row.codec] = (
                f"{row.backend}; {row.how}; within {row.tolerance.psnr:g} dB and {row.tolerance.ms_ssim:g}"
            )
    for codec, text in backends.items():
        print(f"{codec}: {text}")
    print(f"{differ} of 18 rows differ" if differ else "all 18 rows reproduce within their tolerances")
    return FAILED_CELLS if differ else DONE
