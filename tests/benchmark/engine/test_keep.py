"""What a run folder keeps beside its rows, and what every command does without the rest."""

import json
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import isorate
from isorate.cli import main
from isorate.engine import runner
from isorate.engine.execution import execute
from isorate.engine.reproduce import reproduce
from isorate.errors import ReportError, RunError, UsageError
from isorate.gate.accept import write_baseline
from isorate.reports import page, supplement
from isorate.runs.folder import Run
from isorate.runs.keep import Keep
from isorate.runs.shards import Shard

Start = Callable[..., Run]


@pytest.fixture
def start(two_photos: Path, tmp_path: Path, in_process: Executor) -> Start:
    def run(name: str, **more: Any) -> Run:
        return isorate.run(
            two_photos, tmp_path / name, anchor="jpeg", codecs=["jpeg2000"], points=["quality=20"],
            curve_points=["quality=40"], executor=in_process, **more,
        )  # fmt: skip

    return run


def files(run: Run) -> Counter[str]:
    found = (file.parent.name for file in run.path.rglob("*") if file.is_file())
    return Counter(name for name in found if name in ("streams", "decoded", "originals"))


def numbers(run: Run) -> list[tuple[Any, ...]]:
    return [(row.key, row.status, row.num_bytes, row.psnr, row.stream_sha256, row.decoded_sha256) for row in run.rows()]


@given(st.sampled_from(Keep), st.sampled_from(Keep))
def test_each_choice_keeps_what_the_one_before_it_does(one: Keep, other: Keep) -> None:
    assert one.keeps(other) == ((one.streams, one.pictures) >= (other.streams, other.pictures))


def test_the_folder_has_what_was_asked_for_and_the_rows_are_the_same(start: Start) -> None:
    whole = start("whole")
    assert whole.manifest.keep is Keep.DECODED
    streams = len(list((whole.path / "streams").iterdir()))
    assert files(whole) == {"streams": streams, "decoded": files(whole)["decoded"], "originals": 2}
    for keep, held in ((Keep.DECODED, files(whole)), (Keep.STREAMS, {"streams": streams}), (Keep.NONE, {})):
        run = start(f"kept-{keep}", keep=str(keep))
        assert files(run) == held
        assert Run.open(run.path).manifest.keep is keep
        assert numbers(run) == numbers(whole)
        for row in run.rows():
            assert bool(row.stream) == keep.streams
            assert bool(row.decoded) == (keep.pictures and row.point == "jpeg-quality20")


def test_a_choice_that_is_none(start: Start) -> None:
    with pytest.raises(UsageError, match="'all': there are none, streams, decoded"):
        start("run", keep="all")


def test_a_manifest_of_before_keeps_pictures(start: Start) -> None:
    run = start("run")
    file = run.path / "manifest.json"
    about = json.loads(file.read_text())
    del about["keep"]
    file.write_text(json.dumps(about))
    assert Run.open(run.path).manifest.keep is Keep.DECODED
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert start("run").rows() == run.rows()


@pytest.mark.parametrize("keep", Keep)
def test_the_same_command_goes_on_and_makes_nothing_anew(start: Start, keep: Keep, monkeypatch: Any) -> None:
    run = start("run", keep=keep)
    monkeypatch.setattr(Run, "write_row", lambda *_: pytest.fail("a row was made anew"))
    for more in ({"keep": keep}, {}):
        again = start("run", **more)
        assert again.manifest.keep is keep
        assert again.rows() == run.rows()


def test_a_lost_stream_is_made_again(start: Start) -> None:
    run = start("run", keep="streams")
    lost = next((run.path / "streams").iterdir())
    before = lost.read_bytes()
    lost.unlink()
    again = start("run")
    assert lost.read_bytes() == before
    assert numbers(again) == numbers(run)
    assert files(again) == files(run)


@pytest.mark.parametrize(("before", "now"), [("none", "streams"), ("none", "decoded"), ("streams", "decoded")])
def test_a_run_may_keep_more_than_before(start: Start, before: str, now: str) -> None:
    run = start("run", keep=before)
    with pytest.warns(UserWarning, match=f"--keep {before} until now, --keep {now} from now on"):
        more = start("run", keep=now)
    assert more.manifest.keep == now
    assert numbers(more) == numbers(run)
    assert files(more) == files(start("other", keep=now))
    assert all(more.has_files(row) for row in more.rows())


def test_a_run_that_shall_keep_less_is_another(start: Start) -> None:
    run = start("run")
    held = files(run)
    with pytest.raises(RunError, match=r"keep was decoded, is none \(what a run keeps is not deleted\).*--overwrite"):
        start("run", keep="none")
    assert files(run) == held
    assert not files(start("run", keep="none", overwrite=True))


def test_a_kill_while_more_is_kept_is_gone_on_from(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start("run", keep="none")

    def killed(*words: Any) -> Iterator[Any]:
        yield next(execute(*words))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(runner, "execute", killed)
        with pytest.raises(KeyboardInterrupt):
            start("run", keep="decoded")
    assert files(run)["streams"]
    again = start("run")
    assert files(again) == files(start("other"))
    assert numbers(again) == numbers(run)


def test_a_file_that_a_power_failure_took_is_made_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the line that says so, a row's files are read, whatever their times are."""
    monkeypatch.setattr(Shard, "_sync", lambda self: None)
    monkeypatch.setattr("isorate.runs.folder.sync_generation", lambda *_: None)
    run = start("run")
    assert not any(b"synced" in file.read_bytes() for file in (run.path / "rows").iterdir())
    lost = run.path / run.rows()[0].stream
    before = lost.read_bytes()
    monkeypatch.setattr("isorate.runs.folder._changed", lambda path: 1)  # as long before the row as can be
    lost.write_bytes(bytes(len(before)))
    again = start("run")
    assert lost.read_bytes() == before
    assert numbers(again) == numbers(run)


@pytest.fixture(scope="module")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that kept nothing, and one that kept its files."""
    folder = tmp_path_factory.mktemp("kept")
    with ThreadPoolExecutor(1) as executor:
        for keep in ("none", "streams"):
            isorate.run(
                "samples", folder / keep, anchor="jpeg", codecs=["jpeg2000"], points=["quality=20", "quality=40"],
                images=["coffee"], keep=keep, executor=executor,
            )  # fmt: skip
    return folder


@pytest.fixture
def kept(_kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(_kept, tmp_path / "kept")
    return tmp_path / "kept"


def test_what_needs_rows_alone_does_without(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    none = str(kept / "none")
    baseline = str(kept / "baseline.json")
    assert main(["baseline", none, "-o", baseline, "--no-probe"]) == 0
    assert main(["check", none, "--baseline", baseline]) == 0
    assert main(["table", none]) == 0
    assert main(["compare", none, str(kept / "streams")]) == 0
    assert main(["codec-compare", none]) == 0
    said = capsys.readouterr()
    assert "missing" not in said.out.lower() + said.err.lower()
    assert "--keep" not in said.err


@pytest.mark.parametrize("keep", ["none", "streams"])
def test_what_needs_pictures_says_what_was_not_kept(kept: Path, keep: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = kept / keep
    said = rf"{keep}: keeps no originals \(--keep {keep}\); to have it, run .* with --keep decoded"
    with pytest.raises(RunError, match=said):
        Run.open(run).original("coffee")
    with pytest.raises(RunError, match=said):
        reproduce(run, run.parent / "again")
    assert main(["time", str(run), "--repeat", "1"]) == 2
    assert f"(--keep {keep})" in capsys.readouterr().err
    with pytest.raises(ReportError, match=rf"{keep}: there are no figures: .*\(--keep {keep}\)"):
        supplement.write(run)
    assert main(["figures", str(run), "--format", "png"]) == 0
    out, err = capsys.readouterr()
    assert {Path(line).name for line in out.splitlines()} == {"rd-psnr.png", "rd-ms_ssim.png", "rd-ms_ssim_db.png"}
    assert "only curves" in err
    assert "lost" not in err
    with pytest.raises(RunError, match="no decoded pictures"):
        Run.open(run).decoded(Run.open(run).rows()[0])


def test_a_baseline_says_what_its_slopes_lack(
    kept: Path, tmp_path: Path, two_photos: Path, in_process: Executor
) -> None:
    run = isorate.run(two_photos, tmp_path / "one", anchor="jpeg", codecs=[], points=["quality=20"], keep="none",
                      images=["coffee"], executor=in_process)  # fmt: skip
    with pytest.warns(UserWarning, match=r"stated slopes stand.*no pictures \(--keep none\)"):
        write_baseline(run, tmp_path / "baseline.json")


@pytest.mark.parametrize("keep", ["none", "streams"])
@pytest.mark.parametrize("single_file", [False, True])
def test_the_page_does_without_and_says_so(kept: Path, keep: str, single_file: bool) -> None:
    html = page.render(kept / keep, single_file=single_file).read_text()
    assert f"the run keeps no pictures (--keep {keep})" in html
    assert "were measured. The first" not in html  # nothing is called lost
    assert ('href="../streams/' in html) == (keep == "streams" and not single_file)
    assert not list((kept / keep / "report").rglob("*.webp"))
