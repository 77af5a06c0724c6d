"""A small but real run folder of photographs, encoded by Pillow, with the numbers that they have; and a browser."""

import hashlib
import io
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
import skimage.data
import torch
from PIL import Image as PillowImage

from isorate.image import Image
from isorate.metrics import bpp, ms_ssim, psnr
from isorate.runs.equal_rate import at_target, misses
from isorate.runs.folder import Run
from isorate.runs.lossless import to_lossless
from isorate.runs.manifest import Manifest
from isorate.runs.row import ANCHOR, MATCHED, Neighbour, Row

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-sync",
    "--disable-component-update",
]
HOSTILE = "<script>alert('x')</script> \"& 写真 " + "long" * 40
POINTS = (10, 30, 55, 80)

Encoder = Callable[[Image, float], bytes]


def _save(image: Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    PillowImage.fromarray(image).save(out, kind, **options)
    return out.getvalue()


def _jpeg(image: Image, knob: float) -> bytes:
    return _save(image, "JPEG", quality=int(knob), optimize=True, subsampling=2)


def _jpeg2000(image: Image, knob: float) -> bytes:
    return _save(image, "JPEG2000", quality_mode="rates", quality_layers=[knob], irreversible=True, mct=1)


def _webp(image: Image, knob: float) -> bytes:
    return _save(image, "WEBP", quality=int(knob), method=4)


CODECS: dict[str, dict[str, Any]] = {
    "webp": {"label": "WebP", "knob": "quality", "encode": _webp, "suffix": ".webp", "options": {"chroma": "420"}},
    "jpeg2000": {
        "label": "JPEG2000", "knob": "cratio", "encode": _jpeg2000, "suffix": ".jp2",
        "options": {"chroma": "444", "wavelet": "9/7", "mct": True},
    },
    "jpeg": {
        "label": "JPEG", "knob": "quality", "encode": _jpeg, "suffix": ".jpg",
        "options": {"chroma": "420", "optimize": True, "progressive": False, "mode": "integer"},
    },
}  # fmt: skip


def _match(image: Image, name: str, target: int) -> tuple[float, bytes, list[list[float]]]:
    """Drive a codec to a file size by a few probes; plain bisection is enough for a fixture."""
    encode: Encoder = CODECS[name]["encode"]
    rising = name != "jpeg2000"
    low, high = (1.0, 95.0) if rising else (2.0, 400.0)
    probes: dict[float, bytes] = {}
    for _ in range(7):
        knob = float(round((low + high) / 2)) if rising else (low * high) ** 0.5
        probes[knob] = encode(image, knob)
        if (len(probes[knob]) < target) == rising:
            low = knob
        else:
            high = knob
    best = min(probes, key=lambda knob: abs(len(probes[knob]) - target))
    return best, probes[best], [[knob, len(data)] for knob, data in probes.items()]


def _digest(image: Image) -> str:
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()


def make_run(path: Path, images: dict[str, Image], points: tuple[int, ...] = POINTS, **manifest: Any) -> Run:
    """Encode `images` and write a run folder that WebP anchors."""
    torch.set_num_threads(1)  # pictures this small only lose by waiting for a busy second core
    said = Manifest.from_json(
        {
            "title": "Three classical codecs",
            "created": "2024-05-01T12:00:00+00:00",
            "command": ["isorate", "run", "--data", "photos"],
            "dataset": {
                "name": "photographs",
                "images": [
                    {"name": name, "file": f"{name}.png", "width": image.shape[1], "height": image.shape[0],
                     "sha256": _digest(image), "source_sha256": _digest(image), "lossy": name == "rocket"}
                    for name, image in images.items()
                ],
            },
            "anchor": "webp",
            "codecs": [
                {"name": name, "label": codec["label"], "spec": name, "backend": f"Pillow {PIL.__version__}",
                 "options": codec["options"], "available": True, "hint": ""}
                for name, codec in CODECS.items()
            ],
            "points": [f"webp-quality{quality}" for quality in points],
            "policy": "nearest",
            "tolerance_pct": 500.0,  # what plain bisection over whole numbers meets
            "versions": {"isorate": "0.1.0", "python": "3.11", "pillow": PIL.__version__},
            "platform": {"system": "Linux", "machine": "x86_64", "cpu_count": 2},
            "git_commit": None,
            **manifest,
        }
    )  # fmt: skip
    run = Run.create(path, said)
    for name, image in images.items():
        run.write_original(name, image)
        for quality in points:
            _write_point(run, name, image, quality)
    return run


def _write_point(run: Run, name: str, image: Image, quality: int) -> None:
    point = f"webp-quality{quality}"
    anchor = _webp(image, quality)
    for codec, about in CODECS.items():
        is_anchor = codec == "webp"
        knob, data, trace = (
            (float(quality), anchor, [[float(quality), len(anchor)]])
            if is_anchor
            else _match(image, codec, len(anchor))
        )
        decoded = np.asarray(PillowImage.open(io.BytesIO(data)).convert("RGB"))
        run.write_row(
            Row(
                image=name, width=image.shape[1], height=image.shape[0], image_sha256=_digest(image),
                codec=codec, label=about["label"], options=about["options"],
                backend=f"Pillow {PIL.__version__}",
                role=ANCHOR if is_anchor else MATCHED, point=point, knob_name=about["knob"], knob=knob,
                target_bpp=bpp(len(anchor), image), num_bytes=len(data), header_bytes=300 if codec == "jpeg" else None,
                bpp=bpp(len(data), image), residual_pct=100 * (len(data) / len(anchor) - 1),
                psnr=psnr(image, decoded), ms_ssim=ms_ssim(image, decoded), encode_s=0.012, decode_s=0.004,
                probes=len(trace), trace=trace,
                stream=run.write_stream(name, point, codec, about["suffix"], data),
                decoded=run.write_decoded(name, point, codec, to_lossless(decoded)),
                stream_sha256=hashlib.sha256(data).hexdigest(), decoded_sha256=_digest(decoded),
            )
        )  # fmt: skip


def photographs() -> dict[str, Image]:
    """Parts of four photographs: an even one, an odd-sized one, a grey one and one too small for MS-SSIM."""
    grey = skimage.data.camera()[60:252, 120:376]
    return {
        "astronaut": skimage.data.astronaut()[0:256, 96:352],
        "chelsea": skimage.data.chelsea()[40:241, 60:361],
        "camera": np.repeat(grey[:, :, None], 3, axis=2),
        "rocket": skimage.data.rocket()[100:190, 250:390],
    }


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Four photographs, three codecs, four points."""
    return make_run(tmp_path_factory.mktemp("runs") / "run", photographs())


@pytest.fixture(scope="session")
def curve_run(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same with pictures at one point alone; the others give curves their marks."""
    path = tmp_path_factory.mktemp("runs") / "curve"
    shutil.copytree(run.path, path)
    said = run.manifest.to_json()
    said["points"] = [
        {"name": f"webp-quality{q}", "kind": "knob", "knob": "quality", "value": q, "pictures": q == 30} for q in POINTS
    ]
    made = Run.create(path, Manifest.from_json(said))
    for row in made.rows():
        if row.point != "webp-quality30":
            (path / row.decoded).unlink()
            made.write_row(replace(row, decoded=""))
    return made


@pytest.fixture(scope="session")
def apart_run(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same, JPEG's files with their neighbours on the other side of the rate, as the engine keeps them."""
    path = tmp_path_factory.mktemp("runs") / "apart"
    shutil.copytree(run.path, path)
    made = Run.create(path, Manifest.from_json({**run.manifest.to_json(), "tolerance_pct": 0.5}))
    for row in made.rows():
        if row.codec == "jpeg" and misses(row, made.manifest.tolerance_pct):
            made.write_row(_with_neighbour(made, row))
    return made


def _with_neighbour(run: Run, row: Row) -> Row:
    image = run.original(row.image)
    target = (row.target_bpp or 0) * row.width * row.height / 8
    above = (row.num_bytes or 0) < target
    quality, data = int(row.knob or 0), b""
    while not data or (len(data) > target) != above:
        quality += 1 if above else -1
        if not 1 <= quality <= 100:
            return row
        data = _jpeg(image, quality)
    decoded = np.asarray(PillowImage.open(io.BytesIO(data)).convert("RGB"))
    beside = Neighbour(
        knob=quality, num_bytes=len(data), psnr=psnr(image, decoded), ms_ssim=ms_ssim(image, decoded),
        stream=run.write_stream(*row.key, ".jpg", data, neighbour=True),
        decoded=run.write_decoded(*row.key, to_lossless(decoded), neighbour=True),
        stream_sha256=hashlib.sha256(data).hexdigest(), decoded_sha256=_digest(decoded),
    )  # fmt: skip
    return replace(row, neighbour=beside, equal_rate=at_target(row, beside))


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One image with a hostile name, one point, a failed cell and an identical picture."""
    path = tmp_path_factory.mktemp("runs") / "hostile"
    image = skimage.data.coffee()[100:292, 150:406]
    made = make_run(path, {HOSTILE: image}, (40,), title="<b>bold & 'quoted'</b>")
    rows = {row.codec: row.to_json() for row in made.rows()}
    lossless = made.write_decoded(HOSTILE, "webp-quality40", "webp", to_lossless(image))
    made.write_row(
        Row.from_json(
            {
                **rows["webp"],
                "psnr": "inf",
                "ms_ssim": 1.0,
                "decoded": lossless,
                "decoded_sha256": _digest(image),
                "note": "not monotone",
            }
        )
    )
    nothing = dict.fromkeys(
        ["num_bytes", "header_bytes", "bpp", "residual_pct", "psnr", "ms_ssim", "encode_s", "decode_s", "knob"]
    )
    made.write_row(
        Row.from_json(
            {**rows["jpeg"], **nothing, "status": "failed: </script><img src=x>", "stream": "", "decoded": ""}
        )
    )
    return made


def images(*names: str, lossy: str = "") -> dict[str, Any]:
    return {
        "name": "d",
        "images": [
            {"name": name, "width": 512, "height": 512, "sha256": "x", "lossy": name == lossy} for name in names
        ],
    }


class Fake(Run):
    """A run whose rows are made up."""

    def __init__(self, rows: list[Row], **manifest: Any) -> None:
        said = {
            "anchor": "bpg", "tolerance_pct": 0.5, "points": ["p"], "policy": "nearest", "versions": {}, "platform": {},
            "codecs": [
                {"name": name, "spec": name, "backend": "", "options": {}, "available": True}
                for name in ("bpg", "jpeg")
            ],
            "dataset": images(*dict.fromkeys(one.image for one in rows)),
        }  # fmt: skip
        super().__init__(Path("nowhere"), Manifest.from_json({**said, **manifest}))
        self.made = rows

    def rows(self) -> list[Row]:
        return self.made


def row(codec: str, image: str = "a", **fields: Any) -> Row:
    base = Row(
        image=image, width=512, height=512, image_sha256="", codec=codec, label=codec.upper(), point="p",
        role="anchor" if codec == "bpg" else "matched", bpp=0.2, target_bpp=0.2, residual_pct=0.0,
        psnr=30.0, ms_ssim=0.9, num_bytes=10000,
    )  # fmt: skip
    return replace(base, **fields)


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a browser; without one, or without Playwright, the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    with sync_api.sync_playwright() as playwright:
        yield (browser := playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS))
        browser.close()


class Watched:
    """A page with everything it complained of or asked for."""

    def __init__(self, browser: Any, **context: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context})
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type in ("error", "warning") else None,
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", lambda request: self.errors.append(f"failed: {request.url}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, address: str) -> Any:
        self.page.goto(address)
        self.page.wait_for_function("() => document.documentElement.classList.contains('scripted')")
        return self.page

    def close(self) -> None:
        self.context.close()
        assert self.errors == []
        assert [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def eventually(page: Any, read: Callable[[], object], expected: object = True) -> None:
    """Hold `read()` against `expected` as soon as they agree: a page answers keys and clicks some frames later."""
    until = time.monotonic() + 10
    while (found := read()) != expected and time.monotonic() < until:
        page.wait_for_timeout(20)
    assert found == expected


def settle(page: Any) -> None:
    """Let the page do what it should not do."""
    page.wait_for_timeout(200)


def fragment(page: Any) -> dict[str, str]:
    found: dict[str, str] = page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for the tests of a file."""
    with chromium() as started:
        yield started


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    """A page that must neither complain nor ask anybody."""
    one = Watched(browser)
    yield one
    one.close()
