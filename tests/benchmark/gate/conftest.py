"""Run folders of 24 × 4 rows, written without an encoder: the gate reads rows and a manifest, nothing else."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isorate.gate.accept import make_baseline
from isorate.gate.check import check
from isorate.gate.findings import Checked
from isorate.gate.tolerances import Tolerances
from isorate.runs.folder import Run
from isorate.runs.manifest import Manifest
from isorate.runs.row import ANCHOR, MATCHED, Row

CODECS = {"bpg": "x265 4.2 via PyAV 18", "jpeg2000": "OpenJPEG 2.5.4", "jpeg": "libjpeg-turbo 3.2.0", "learned": "1"}
POINT = "bpg-qp37"
Edit = Callable[[Row], Row | None]
Change = Callable[[dict[str, Any]], object]
WIDTH, HEIGHT = 768, 512


def manifest(images: Sequence[str], points: list[str]) -> dict[str, Any]:
    return {
        "dataset": {
            "name": "kodak",
            "images": [{"name": i, "width": WIDTH, "height": HEIGHT, "sha256": f"{i}-pixels"} for i in images],
        },
        "anchor": "bpg",
        "codecs": [
            {"name": c, "label": c, "spec": c, "backend": b, "options": {"chroma": "444"}, "available": True}
            for c, b in CODECS.items()
        ],
        "points": points,
        "policy": "nearest",
        "tolerance_pct": 0.5,
        "platform": {"machine": "x86_64", "cores": 2},
        "versions": {"python": "3.11.7", "isorate": "0.1.0", "pillow": "13.0.0", "torch": "2.13.0"},
    }


def row(
    image: str, codec: str, point: str = POINT, num_bytes: int = 10_000, psnr: float = 32.0, ms_ssim: float = 0.95
) -> Row:
    return Row(
        image=image, width=WIDTH, height=HEIGHT, image_sha256=f"{image}-pixels", codec=codec, label=codec,
        backend=CODECS[codec], point=point, role=ANCHOR if codec == "bpg" else MATCHED, knob=37.0, num_bytes=num_bytes,
        bpp=8 * num_bytes / (WIDTH * HEIGHT), psnr=psnr, ms_ssim=ms_ssim, stream_sha256=f"{num_bytes:012d}{psnr}",
    )  # fmt: skip


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Write a run; `edit` changes or drops (None) rows, `change` edits the manifest."""
    monkeypatch.setattr("os.fsync", lambda handle: None)  # thousands of small files: a power cut may take them

    def make(
        name: str = "run",
        edit: Edit = lambda r: r,
        change: Change = lambda m: None,
        images: int = 24,
        points: Sequence[str] = (POINT,),
        rates: Sequence[float] = (1.0,),
    ) -> Run:
        names = [f"kodim{i + 1:02}" for i in range(images)]
        said = manifest(names, list(points))
        change(said)
        run = Run.create(tmp_path / name, Manifest.from_json(said))
        for image in names:
            for rank, codec in enumerate(CODECS):
                for point, rate in zip(points, rates, strict=True):
                    made = edit(row(image, codec, point, round(10_000 * rate), 32.0 - rank + 4 * (rate - 1)))
                    if made is not None:
                        bpp = None if made.num_bytes is None else 8 * made.num_bytes / (WIDTH * HEIGHT)
                        run.write_row(replace(made, bpp=bpp))
        return run

    return make


@pytest.fixture
def against(make_run: Callable[..., Run]) -> Callable[..., Checked]:
    """Check an edited run of one image against the unedited one."""

    def held(
        edit: Edit = lambda r: r,
        change: Change = lambda m: None,
        tolerances: Tolerances | None = None,
        images: int = 2,
        **more: Any,
    ) -> Checked:
        before = make_baseline(make_run("before", images=images, **more))
        return check(make_run("after", edit, change, images=images, **more), before, tolerances or Tolerances())

    return held


@pytest.fixture
def only() -> Callable[..., Edit]:
    """Return an edit that changes one row."""

    def one(image: str = "kodim02", codec: str = "jpeg", **fields: Any) -> Edit:
        def edit(r: Row) -> Row:
            if (r.image, r.codec) != (image, codec):
                return r
            changed = {name: f(getattr(r, name)) if callable(f) else f for name, f in fields.items()}
            return replace(r, **changed)

        return edit

    return one


@pytest.fixture
def new_backend() -> Callable[[str, str], Change]:
    """Return a manifest change that gives a codec another back end."""

    def make(codec: str, backend: str) -> Change:
        def change(said: dict[str, Any]) -> None:
            said["codecs"] = copy.deepcopy(said["codecs"])
            next(c for c in said["codecs"] if c["name"] == codec)["backend"] = backend

        return change

    return make
