"""``isorate verify``."""

import json as json_module
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from isorate.cli.exit_codes import DONE, FAILED_CELLS

if TYPE_CHECKING:
    from isorate.verification.fitted_files import VerifiedFile
    from isorate.verification.golden_vectors import GoldenResult
    from isorate.verification.verify import Verified

FITTED_HEAD = "image        bpp    BPG's    PSNR   to BPG to paper  MS-SSIM   to BPG to paper decode"
HEAD = "image    codec     bpp ours  theirs PSNR ours   theirs     diff MS-SSIM  theirs     diff"


def verify(
    *,
    data: Annotated[str, Parameter(env_var="ISORATE_DATA")] = "kodak",
    only: Literal["all", "golden", "supplementary", "fitted"] = "all",
    json: bool = False,
) -> int:
    """Decode golden vectors, recompute the paper's classical columns, and decode the overfitted codec's six files.

    Prints ours, theirs and the difference. The exit code is 1 when a golden vector decodes to other samples, a
    difference is outside its tolerance, or a file of the overfitted codec has another quality than when it was made.

    Examples
    --------
    ```
    isorate verify --data kodak
    isorate verify --data /data/kodak
    isorate verify --only golden
    isorate verify --only fitted
    ```

    Parameters
    ----------
    data
        `kodak`, or the folder of its PNGs; golden vectors need none.
    only
        One of the three parts.
    json
        Print JSON for scripts.
    """
    from isorate.verification.golden_vectors import verify_golden

    rows = _recomputed(data) if only in ("all", "supplementary") else iter(())
    golden = list(verify_golden()) if only in ("all", "golden") else []
    fitted = _decoded(data) if only in ("all", "fitted") else iter(())
    if json:
        supplementary = [_row_json(row) for row in rows]
        vectors = [{"file": g.vector.file, "codec": g.vector.codec, "ok": g.ok, "wrong": g.wrong} for g in golden]
        decoded = [_file_json(row) for row in fitted]
        facts = {"golden": vectors, "supplementary": supplementary, "fitted": decoded}
        print(json_module.dumps(facts, indent=1, ensure_ascii=False))
        return DONE if all(item["ok"] for items in facts.values() for item in items) else FAILED_CELLS
    wrong = _print_golden(golden)
    wrong += _print_rows(rows) if only in ("all", "supplementary") else 0
    wrong += _print_fitted(fitted) if only in ("all", "fitted") else 0
    return FAILED_CELLS if wrong else DONE


def _recomputed(data: str) -> "Iterator[Verified]":
    from isorate.datasets.registry import open_dataset
    from isorate.engine.cache import cache_dir
    from isorate.engine.workers import worker_pool
    from isorate.runs.provenance import usable_cores
    from isorate.verification.verify import verify as recompute

    dataset = open_dataset(data, cache_dir())

    def each() -> "Iterator[Verified]":
        with worker_pool(usable_cores()) as pool:
            yield from recompute(dataset, pool)

    return each()


def _decoded(data: str) -> "Iterator[VerifiedFile]":
    from isorate.datasets.registry import open_dataset
    from isorate.engine.cache import cache_dir
    from isorate.verification.fitted_files import verify_fitted

    return verify_fitted(open_dataset(data, cache_dir()))


def _row_json(row: "Verified") -> dict[str, Any]:
    names = ("bpp", "psnr", "ms_ssim")
    return {
        "image": row.image, "codec": row.codec, "backend": row.backend, "how": row.how, "ok": row.ok,
        "ours": dict(zip(names, row.ours, strict=True)), "theirs": dict(zip(names, row.theirs, strict=True)),
    }  # fmt: skip


def _file_json(row: "VerifiedFile") -> dict[str, Any]:
    names = ("bpp", "psnr", "ms_ssim")
    return {
        "image": row.file.image, "ok": row.ok, "decode_s": row.decode_s,
        "ours": dict(zip(names, row.ours, strict=True)),
        "bpg": {name: getattr(row.bpg, name) for name in names},
        "paper": {name: getattr(row.paper, name) for name in names},
    }  # fmt: skip


def _print_fitted(rows: "Iterator[VerifiedFile]") -> int:
    print("\nthe overfitted codec's shipped files beside the supplementary's BPG 4:4:4 and its own model")
    print(FITTED_HEAD)
    differ = 0
    for row in rows:
        (bpp, psnr, similarity), bpg, paper = row.ours, row.bpg, row.paper
        mark = "ok" if row.ok else f"WRONG: made as {row.file.psnr:.4f} dB, {row.file.ms_ssim:.5f}"
        print(
            f"{row.file.image:8} {bpp:7.4f} {bpg.bpp:7.4f} "
            f"{psnr:8.3f} {psnr - bpg.psnr:+8.3f} {psnr - paper.psnr:+8.3f} "
            f"{similarity:8.4f} {similarity - bpg.ms_ssim:+8.4f} {similarity - paper.ms_ssim:+8.4f} "
            f"{row.decode_s:6.1f}  {mark}",
            flush=True,
        )
        differ += not row.ok
    return differ


def _print_golden(results: "list[GoldenResult]") -> int:
    for result in results:
        mark = "ok" if result.ok else f"WRONG: {result.wrong}"
        print(f"{result.vector.file:42} {result.vector.made_by}: {mark}")
    wrong = sum(not result.ok for result in results)
    if results:
        print(
            f"{wrong} of {len(results)} golden vectors are wrong\n" if wrong else "all golden vectors decode exactly\n"
        )
    return wrong


def _print_rows(rows: "Iterator[Verified]") -> int:
    print(HEAD)
    differ = 0
    backends = {}
    for row in rows:
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
    return differ
