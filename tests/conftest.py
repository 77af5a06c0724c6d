"""Real photographs for every test: scikit-image's, and Kodak's where they are."""

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from isorate.image import Image

# Threads that wait for each other spin: with a test process on every core, one thread in each is faster.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# And where a test asks for two, the one that waits leaves its core to the other test processes.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image as PillowImage
from xdist.scheduler import LoadFileScheduling

from isorate.runs.folder import Run
from isorate.runs.paths import safe_name

settings.register_profile("isorate", deadline=None)  # no test judges by time: machines are slow and busy
settings.load_profile("isorate")

COMPILING = "tests/codecs/overfitted"
"""Tests that compile kernels on a fresh checkout: in one process after another, not in all at once."""


def _together(nodeid: str) -> str:
    """Return what a test shares its process with: its file, or those that compile."""
    return COMPILING if nodeid.startswith(COMPILING) else nodeid.partition("::")[0]


class _Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """A file's tests to one process, and those that compile to one; in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return _together(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One process more than cores: a tenth of the time tests wait, for a browser, a cluster, or what dies."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduling | None:
    config.option.loadscopereorder = False  # it would hand out the files with most tests first, not the longest
    return _Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Hand out what takes longest first, so that no process ends long after the others.

    The tests that compile, then files with slow tests, then those with many.
    """
    if not hasattr(config, "workerinput"):
        return
    slow = Counter(_together(item.nodeid) for item in items if item.get_closest_marker("slow"))
    count = Counter(_together(item.nodeid) for item in items)
    items.sort(key=lambda item: ((at := _together(item.nodeid)) != COMPILING, -slow[at], -count[at]))


STAND_INS = (
    "DIV2K_valid_HR/0801.png", "DIV2K_valid_HR/0802.png",
    "clic2020/professional/alberto-montalesi-176097.png", "clic2020/mobile/IMG_20170725_123034.png",
    "TESTIMAGES/RGB/RGB_OR_1200x1200/RGB_OR_1200x1200_001.png",
)  # fmt: skip
"""Files laid out as in data sets that a user gets from their publishers; the pictures are ours."""


@pytest.fixture(scope="session")
def install() -> Callable[..., dict[str, str]]:
    """Put a package of modules, given by their names, with its entry points into a folder.

    It returns the environment of a process that finds it there.
    """

    def put(folder: Path, package: str, points: str, **modules: str) -> dict[str, str]:
        info = folder / f"{package}-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(points)
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source)
        return {**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}

    return put


@pytest.fixture(scope="session")
def alone() -> tuple[str, ...]:
    """What a command begins with whose process tells how much memory it takes itself.

    A process has in its ``ru_maxrss`` what the one had that started it, here pytest with gigabytes of its own: a small
    one stands in between.
    """
    return sys.executable, "-S", "-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests away from the user's cache and data sets, in this process and in every one it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISORATE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("ISORATE_DATASETS_DIR", str(tmp_path_factory.mktemp("datasets")))
        yield


@pytest.fixture(scope="session")
def astronaut() -> Image:
    from skimage import data

    return np.asarray(data.astronaut())


@pytest.fixture(scope="session")
def photo(astronaut: Image) -> Image:
    """A real photograph just large enough for MS-SSIM, of odd size."""
    return np.ascontiguousarray(astronaut[20:195, 130:321])


@pytest.fixture(scope="session")
def coffee() -> Image:
    from skimage import data

    return np.asarray(data.coffee())


@pytest.fixture
def kodak_dir() -> Path:
    folder = os.environ.get("ISORATE_KODAK_DIR")
    if not folder:
        pytest.skip("Kodak's PNGs are not at hand; name their folder in ISORATE_KODAK_DIR")
    return Path(folder)


@pytest.fixture
def in_process() -> Iterator[Executor]:
    """An executor without processes: what a test patches is patched in the cells, too."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def two_photos(tmp_path: Path, astronaut: Image, coffee: Image) -> Path:
    """A folder with two small real photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    PillowImage.fromarray(astronaut[20:195, 130:321]).save(folder / "astronaut.png")
    PillowImage.fromarray(coffee[100:270, 150:350]).save(folder / "coffee.png")
    return folder


def _stay_in_this_process(patch: pytest.MonkeyPatch) -> None:
    """Let runs start no processes, each of which would load everything again."""
    patch.setattr("isorate.engine.workers.ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))


@pytest.fixture(scope="session")
def _made_workshop(tmp_path_factory: pytest.TempPathFactory, astronaut: Image, coffee: Image) -> Path:
    from isorate.cli import main

    folder = tmp_path_factory.mktemp("made")
    (folder / "photos").mkdir()
    PillowImage.fromarray(astronaut[20:195, 130:321]).save(folder / "photos" / "astronaut.png")
    PillowImage.fromarray(coffee[100:270, 150:350]).save(folder / "photos" / "coffee.png")
    shutil.copy(folder / "photos" / "astronaut.png", folder / "photo.png")
    for name in STAND_INS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "photos" / "astronaut.png", folder / name)
    (folder / "isorate.toml").write_text(
        'data = "photos"\nanchor = "jpeg"\ncodecs = ["jpeg2000"]\npoints = ["bpp=0.6"]\n'
    )
    (folder / "published.csv").write_text("codec,bpp,psnr_rgb,ms_ssim,source\nHiFiC,0.3,30.1,0.97,a paper\n")
    first = folder / "runs" / "kodak"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ISORATE_DATASETS_DIR", str(folder / "datasets"))
        _stay_in_this_process(patch)
        assert main(["run", "-o", str(first)]) == 0
        assert main(["encode", "photo.png", "photo.bpg", "--knob", "37"]) == 0
        assert main(["encode", "photo.png", "photo.bin", "--codec", "jpeg:chroma=444", "--bpp", "0.5"]) == 0
        assert main(["encode", "photo.png", "photo.iso", "--bpp", "0.2"]) == 0
        assert main(["datasets", "add", "photos", "--out", "birds.toml", "--name", "birds"]) == 0
        assert main(["datasets", "add", "photos", "--name", "holiday"]) == 0
        for file in ("baseline.json", "baselines/kodak.json", "baselines/samples.json", "isorate-baseline.json"):
            (folder / file).parent.mkdir(exist_ok=True)
            assert main(["baseline", str(first), "--no-probe", "-o", file]) == 0
    for name in ("before", "after", "samples", "ci", "classes"):
        shutil.copytree(first, folder / "runs" / name)
    manifest = folder / "runs" / "classes" / "manifest.json"
    said = json.loads(manifest.read_text())
    for image in said["dataset"]["images"]:
        image["image_class"] = f"like {image['name']}"
    manifest.write_text(json.dumps(said))
    return folder


@pytest.fixture
def workshop(_made_workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a user's, with every file that the documents name, on two small photographs."""
    shutil.copytree(_made_workshop, tmp_path / "workshop")
    _stay_in_this_process(monkeypatch)
    monkeypatch.chdir(tmp_path / "workshop")
    monkeypatch.setenv("ISORATE_DATASETS_DIR", str(tmp_path / "workshop" / "datasets"))
    return tmp_path / "workshop"


@pytest.fixture(scope="session")
def as_older_versions_wrote() -> Callable[[Path], dict[str, Path]]:
    """Rewrite a run folder's rows as one JSON file each, named in the old way, and return these by ``image--codec``."""

    def rewrite(path: Path) -> dict[str, Path]:
        run, files = Run.open(path), {}
        for row in run.rows():
            name = "--".join(map(safe_name, row.key))
            files[f"{row.image}--{row.codec}"] = file = path / "rows" / f"{name}.json"
            file.write_text(json.dumps(row.to_json()))
        for shard in (path / "rows").glob("*.jsonl"):
            shard.unlink()
        return files

    return rewrite
