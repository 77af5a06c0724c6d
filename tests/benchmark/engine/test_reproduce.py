import json
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

from isorate import api
from isorate.cli import main
from isorate.codecs.jpeg import Jpeg
from isorate.engine.reproduce import Outcome, compare_rows, reproduce
from isorate.errors import RunError, UsageError
from isorate.image import Image
from isorate.runs.folder import Run
from isorate.runs.row import Row


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, astronaut: Image) -> Run:
    """Return a run of two codecs at two kinds of points."""
    from concurrent.futures import ThreadPoolExecutor

    from PIL import Image as PillowImage

    folder = tmp_path_factory.mktemp("reproduce")
    (folder / "photos").mkdir()
    PillowImage.fromarray(astronaut[20:195, 130:321]).save(folder / "photos" / "astronaut.png")
    with ThreadPoolExecutor(1) as executor:
        return api.run(
            folder / "photos", folder / "run", anchor="jpeg:mode=integer", codecs=["jpeg:chroma=444"],
            points=["quality=20", "bpp=0.7512345678"], executor=executor,
        )  # fmt: skip


def test_a_run_is_reproduced_to_the_bit_without_its_images_or_the_cache(
    run: Run, tmp_path: Path, in_process: Executor
) -> None:
    found = reproduce(run, tmp_path / "again", executor=in_process)
    assert [item.outcome for item in found] == [Outcome.SAME_FILE] * 4
    assert Run.open(tmp_path / "again").manifest.points == run.manifest.points


def test_other_figures_are_different_and_an_unchanged_tool_chain_explains_nothing(
    run: Run, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = Jpeg.encode
    monkeypatch.setattr(Jpeg, "encode", lambda self, image, knob: encode(self, image // 2, knob))
    found = reproduce(run, tmp_path / "again", executor=in_process)
    assert {item.outcome for item in found} == {Outcome.DIFFERENT}


def copied(run: Run, path: Path, change: Callable[[dict[str, Any], Iterable[dict[str, Any]]], None]) -> Run:
    shutil.copytree(run.path, path)
    manifest = json.loads((path / "manifest.json").read_text())
    rows = [row.to_json() for row in run.rows()]
    change(manifest, rows)
    (path / "manifest.json").write_text(json.dumps(manifest))
    changed = Run.open(path)
    for row in rows:
        changed.write_row(Row.from_json(row))
    return changed


def test_other_files_of_the_same_figures_and_the_version_that_explains_them(run: Run, tmp_path: Path) -> None:
    def upgrade(manifest: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
        manifest["codecs"][0]["backend"] = "libjpeg-turbo 9"
        for row in rows:
            row["stream_sha256"] = "other"

    found = compare_rows(run, copied(run, tmp_path / "again", upgrade))
    assert {item.outcome for item in found} == {Outcome.SAME_FIGURES}
    assert all("libjpeg-turbo 9" in item.explained for item in found)


def test_a_library_or_the_machine_may_explain_what_no_back_end_does(run: Run, tmp_path: Path) -> None:
    def change(manifest: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
        manifest["versions"]["torch"] = "9.9"
        manifest["platform"]["processor"] = "abacus"
        for row in rows:
            row["ms_ssim"] += 0.001
            row["stream_sha256"] = "other"

    found = compare_rows(run, copied(run, tmp_path / "again", change))
    assert {item.outcome for item in found} == {Outcome.DIFFERENT}
    assert all("torch" in item.explained and "abacus" in item.explained for item in found)


def test_a_run_without_its_pictures_is_told(run: Run, tmp_path: Path, in_process: Executor) -> None:
    broken = copied(run, tmp_path / "broken", lambda manifest, rows: None)
    shutil.rmtree(broken.path / "originals")
    with pytest.raises(RunError, match="no original"):
        reproduce(broken, tmp_path / "again", executor=in_process)

    def other(manifest: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
        manifest["dataset"]["images"][0]["sha256"] = "another"

    with pytest.raises(RunError, match="not the picture of the manifest"):
        reproduce(copied(run, tmp_path / "other", other), tmp_path / "again", executor=in_process)


def older(manifest: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
    """Make the manifest one of a version whose points were names."""
    manifest["points"] = [point["name"] for point in manifest["points"]]


def test_an_older_runs_points_are_read_from_their_names_and_held_against_its_rows(
    run: Run, tmp_path: Path, in_process: Executor
) -> None:
    old = copied(run, tmp_path / "old", older)
    assert old.manifest.points == ("jpeg-quality20", "jpeg-bpp0.7512345678")
    found = reproduce(old, tmp_path / "again", executor=in_process)
    assert [item.outcome for item in found] == [Outcome.SAME_FILE] * 4

    def shortened(manifest: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
        older(manifest, rows)
        manifest["points"][1] = "jpeg-bpp0.751235"
        for row in rows:
            row["point"] = row["point"].replace("0.7512345678", "0.751235")

    with pytest.raises(RunError, match=r"'jpeg-bpp0.751235' stands for 0.751235, and astronaut ran at 0.751234"):
        reproduce(copied(run, tmp_path / "short", shortened), tmp_path / "b", executor=in_process)

    def renamed(manifest: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
        manifest["points"] = ["jpeg-speed20", "jpeg-bpp0.7512345678"]

    with pytest.raises(RunError, match=r"older version: point 'jpeg-speed20' does not say .*'quality'"):
        reproduce(copied(run, tmp_path / "renamed", renamed), tmp_path / "c", executor=in_process)


def test_a_point_that_the_anchor_cannot_take_is_told(run: Run, tmp_path: Path, in_process: Executor) -> None:
    def change(manifest: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
        manifest["points"][0]["value"] = 2000

    with pytest.raises(UsageError, match="quality takes a whole number from"):
        reproduce(copied(run, tmp_path / "other", change), tmp_path / "again", executor=in_process)


def test_from_the_command_line(run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from isorate.engine import reproduce as module

    real = module.compare_rows
    monkeypatch.setattr(module, "run_plan", lambda *args, **more: run)  # the same run: no worker processes
    assert main(["reproduce", str(run.path)]) == 0
    assert "4 rows bit-equal" in capsys.readouterr().out
    monkeypatch.setattr(
        module, "compare_rows",
        lambda a, b: [module.Reproduced(i.before, i.after, Outcome.DIFFERENT, "x 1 → 2") for i in real(a, b)],
    )  # fmt: skip
    assert main(["reproduce", str(run.path)]) == 1
    assert "different (x 1 → 2)" in capsys.readouterr().out
    assert main(["reproduce", str(run.path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["counts"] == {"different": 4}
