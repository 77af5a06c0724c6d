"""Rows in shards: what a kill leaves, what counts of several writers, and folders of older versions."""

import errno
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isorate import api
from isorate.cli import main
from isorate.errors import RunError
from isorate.gate.accept import write_baseline
from isorate.runs import shards
from isorate.runs.folder import Run
from isorate.runs.row import Key, Row
from isorate.runs.shards import Said, Shard, merged, read_rows, shard_of_process, sync_generation


def row(image: str = "a", status: str = "ok", note: str = "") -> Row:
    return Row(image=image, width=1, height=1, image_sha256="", codec="jpeg", label="JPEG", point="p", status=status,
               note=note)  # fmt: skip


def notes(folder: Path) -> dict[str, str]:
    return {key[0]: stored.row.note for key, stored in read_rows(folder).items()}


def only_shard(folder: Path) -> Path:
    """Return the shard that has rows; of a run that ended there may be one that says that their files were whole."""
    shards = list(folder.glob("*.jsonl"))
    (shard,) = [file for file in shards if b'"row"' in file.read_bytes()] or shards
    return shard


SAID = st.builds(
    Said,
    st.none() | st.builds(row, status=st.sampled_from(["ok", "failed: x"]), note=st.text("xyz", max_size=2)),
    st.integers(0, 3),
)
KEYS = st.sampled_from([(name, "p", "jpeg") for name in "abc"])


@given(st.lists(st.dictionaries(KEYS, SAID), max_size=4))
def test_of_a_generation_the_good_and_then_the_later_row_counts(said: list[dict[Key, Said]]) -> None:
    found = merged(said)
    assert found.keys() == {key for shard in said for key in shard}
    for key, best in found.items():
        there = [shard[key] for shard in said if key in shard]
        good = [some for some in there if some.row and some.row.ok]
        failed = [some for some in there if some.row and not some.row.ok]
        counting = good or failed or there
        newest = max(some.written for some in counting)
        assert best == [some for some in counting if some.written == newest][-1]


LINES = st.tuples(st.integers(1, 3), st.integers(0, 2), st.sampled_from("ab"), st.sampled_from(["ok", "failed: x", ""]))


@given(st.lists(LINES, max_size=12))
def test_what_counts_is_the_same_in_whatever_order_files_were_made(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[int, int, str, str]]
) -> None:
    """A model of the rule over generations, writers, and lines of rows and removals."""
    folder = tmp_path_factory.mktemp("rows")
    texts: dict[tuple[int, int], list[str]] = {}
    last: dict[str, dict[int, dict[int, tuple[int, str]]]] = {}
    for at, (generation, writer, image, status) in enumerate(lines, 1):
        line = (
            {"written": at, "row": row(image, status, str(at)).to_json()}
            if status
            else {"removed": [image, "p", "jpeg"]}
        )
        texts.setdefault((generation, writer), []).append(json.dumps(line))
        last.setdefault(image, {}).setdefault(generation, {})[writer] = (at, status)
    for (generation, writer), text in reversed(texts.items()):
        (folder / f"{generation:06}-host-1-{writer}.jsonl").write_text("\n".join(text) + "\n")
    expected = {}
    for image, of_generation in last.items():
        said = of_generation[max(of_generation)].values()
        rank = {"ok": 2, "failed: x": 1, "": 0}
        at, status = max(said, key=lambda one: (rank[one[1]], one[0]))
        if status:
            expected[image] = str(at)
    assert notes(folder) == expected


def test_a_row_is_there_at_once_and_the_last_one_of_a_key_counts(tmp_path: Path) -> None:
    shard = Shard(tmp_path / "rows", 1)
    assert not (tmp_path / "rows").exists()
    for note in ("first", "second"):
        shard.row(row(note=note))
        assert notes(tmp_path / "rows") == {"a": note}
    shard.removed(row().key)
    assert notes(tmp_path / "rows") == {}
    assert re.fullmatch(rf"000001-.+-{os.getpid()}-[0-9a-f]{{8}}\.jsonl", only_shard(tmp_path / "rows").name)


def test_a_line_without_its_end_is_none_wherever_it_is_cut(tmp_path: Path) -> None:
    shard = Shard(tmp_path, 1)
    shard.row(row("a"))
    whole = only_shard(tmp_path).stat().st_size
    shard.row(row("b"))
    data = only_shard(tmp_path).read_bytes()
    for cut in range(whole, len(data)):
        only_shard(tmp_path).write_bytes(data[:cut])
        assert notes(tmp_path).keys() == {"a"}
    only_shard(tmp_path).write_bytes(data)
    assert notes(tmp_path).keys() == {"a", "b"}


@pytest.mark.parametrize(("line", "said"), [
    (b"", "cannot be read"),
    (b"{", "cannot be read"),
    (b"[]", "cannot be read"),
    (b"\xff", "cannot be read"),
    (b"{}", "neither a row"),
    (b'{"removed": ["a", "p", "jpeg"], "seen": ["a", "p", "jpeg"]}', "neither a row"),
    (b'{"removed": ["a", "p"]}', "cannot be read"),
    (b'{"other": 1}', "cannot be read"),
    (b'{"written": -1, "removed": ["a", "p", "jpeg"]}', "cannot be read"),
    (b'{"written": 1, "row": {}}', "missing required field"),
    (b'{"written": 1, "row": []}', "expected"),
    (b"[" * 100_000, "cannot be read"),
])  # fmt: skip
def test_a_damaged_line_is_named_with_the_remedy(line: bytes, said: str, tmp_path: Path) -> None:
    shard = Shard(tmp_path, 1)
    shard.row(row("a"))
    file = only_shard(tmp_path)
    file.write_bytes(file.read_bytes() + line + b"\n")
    shard.row(row("b"))
    with pytest.raises(RunError) as caught:
        read_rows(tmp_path)
    told = str(caught.value)
    assert told.startswith(f"{file}, line 2: ")
    assert said in told
    assert told.endswith("delete it and run the same command again")


@pytest.mark.parametrize("field", ["stream", "decoded"])
def test_a_path_that_leads_out_and_an_unknown_field_are_damage(field: str, tmp_path: Path) -> None:
    Shard(tmp_path, 1).row(Row.from_json({**row().to_json(), field: "../secret.webp"}))
    with pytest.raises(RunError, match=r"line 1: '../secret.webp' is no path inside a run"):
        read_rows(tmp_path)
    only_shard(tmp_path).write_text(json.dumps({"row": {**row().to_json(), "more": 1}}) + "\n")
    with pytest.raises(RunError, match=r"line 1: unknown fields \['more'\]"):
        read_rows(tmp_path)


def test_strange_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    strange = tmp_path / "rows" / "notes.jsonl"
    strange.write_text("")
    with pytest.raises(
        RunError, match=r"notes.jsonl: is no shard of a run's rows \(GENERATION-….jsonl\); move it away"
    ):
        read_rows(tmp_path / "rows")
    strange.unlink()
    (tmp_path / "outside").write_text("")
    (tmp_path / "rows" / "1-a.jsonl").symlink_to(tmp_path / "outside")
    with pytest.raises(RunError, match="leads out of the run"):
        read_rows(tmp_path / "rows")
    (tmp_path / "rows" / "1-a.jsonl").unlink()
    (tmp_path / "rows" / "1-a.jsonl").symlink_to("1-a.jsonl")
    with pytest.raises(RunError, match="leads out of the run"):
        read_rows(tmp_path / "rows")


def test_what_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Shard(tmp_path, 1).row(replace(row(), encode_s=float("nan")))
    assert notes(tmp_path) == {}


WRITER = """
import sys
from pathlib import Path
from isorate.runs.row import Row
from isorate.runs.shards import Shard
shard = Shard(Path(sys.argv[1]), 1)
for at in range(10**9):
    about = {"width": 1, "height": 1, "image_sha256": "", "codec": "c", "label": "", "point": "p"}
    shard.row(Row(image=f"{at:09}", note="x" * 30000, **about))
"""


@pytest.mark.slow
def test_a_killed_writer_loses_at_most_the_row_in_work(tmp_path: Path) -> None:
    for kills in range(1, 4):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
        until = time.monotonic() + 60
        while len(list(tmp_path.glob("*.jsonl"))) < kills or max(tmp_path.iterdir(), key=_age).stat().st_size < 10**6:
            assert time.monotonic() < until
            assert child.poll() is None
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        for shard in tmp_path.glob(f"*-{child.pid}-*"):
            text = shard.read_bytes()
            whole = text.count(b"\n")
            shutil.copy(shard, tmp_path / "copy")
            alone = tmp_path / f"alone{kills}"
            alone.mkdir()
            (tmp_path / "copy").rename(alone / shard.name)
            assert sorted(notes(alone)) == [f"{at:09}" for at in range(whole)]
        assert read_rows(tmp_path)


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns if path.suffix == ".jsonl" else 0


def test_after_a_full_disk_the_next_line_is_in_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = Shard(tmp_path, 1)
    shard.row(row("a"))
    real, calls = os.write, []

    def full(handle: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr("isorate.runs.shards.os.write", full)
        with pytest.raises(RunError, match="cannot be written: No space left on device; choose a folder with room"):
            shard.row(row("b"))
    assert notes(tmp_path).keys() == {"a"}
    shard.row(row("c"))
    assert notes(tmp_path).keys() == {"a", "c"}
    assert len(list(tmp_path.iterdir())) == 2


def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("")
    with pytest.raises(RunError, match="rows: cannot be written"):
        Shard(tmp_path / "rows", 1).row(row())


def test_a_shard_that_is_large_or_gone_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "LARGEST_SHARD", 1)
    shard = Shard(tmp_path / "rows", 1)
    for image in "abc":
        shard.row(row(image))
    assert len(list((tmp_path / "rows").iterdir())) == 3
    assert notes(tmp_path / "rows").keys() == set("abc")
    shutil.rmtree(tmp_path / "rows")
    shard.row(row("d"))
    assert notes(tmp_path / "rows").keys() == {"d"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_a_shard_of_its_own(tmp_path: Path) -> None:
    shard = Shard(tmp_path, 1)
    shard.row(row("a"))
    child = os.fork()
    if not child:
        shard.row(row("b"))
        os._exit(0)
    os.waitpid(child, 0)
    shard.row(row("c"))
    assert sorted(file.read_bytes().count(b"\n") for file in tmp_path.iterdir()) == [1, 2]
    assert notes(tmp_path).keys() == set("abc")


def test_the_disk_is_asked_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, now = [], [0.0]
    monkeypatch.setattr("isorate.runs.shards.os.fsync", lambda handle: asked.append(1))
    monkeypatch.setattr("isorate.runs.shards.time.monotonic", lambda: now[0])
    shard = Shard(tmp_path, 1)
    for _ in range(shards.SYNC_LINES - 1):
        shard.row(row())
    assert not asked
    shard.row(row())
    assert len(asked) == 2  # the shard, and the folder that has its name
    now[0] += 0.9
    shard.row(row())
    assert len(asked) == 2
    now[0] += 0.2
    shard.row(row())
    assert len(asked) == 4
    shard.sync()
    assert len(asked) == 4  # nothing is left
    shard.row(row())
    shard.sync()
    assert len(asked) == 6
    sync_generation(tmp_path, shard, lambda row: [])
    sync_generation(tmp_path, Shard(tmp_path, 2), lambda row: [])
    assert asked[6:]


def test_files_reach_the_disk_together_before_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    now = [0.0]

    def fsync(handle: int) -> None:
        asked.append(Path(f"/proc/self/fd/{handle}").resolve().name)
        if asked[-1].endswith("jsonl"):
            assert only_shard(rows).read_bytes().endswith(b'{"synced":true}\n')
        elif asked[-1] in names:
            assert b"synced" not in only_shard(rows).read_bytes()

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc on this system")
    monkeypatch.setattr("isorate.runs.shards.os.fsync", fsync)
    monkeypatch.setattr("isorate.runs.shards.time.monotonic", lambda: now[0])
    rows, streams = tmp_path / "rows", tmp_path / "streams"
    streams.mkdir()
    names = [f"{number}.jpg" for number in range(9)]
    shard = Shard(rows, 1)
    for name in names:
        (streams / name).write_bytes(b"x")
        shard.row(row(name), [streams / name])
        assert all(stored.written == 0 for stored in read_rows(rows).values())
    assert not asked
    now[0] += shards.SYNC_S
    shard.row(row("last"), [streams / "is-gone.jpg"])
    assert sorted(asked[: len(names)]) == names
    assert asked[len(names) :] == ["streams", only_shard(rows).name, "rows"]
    assert all(stored.written for stored in read_rows(rows).values())
    shard.row(row("after"), [streams / names[0]])
    assert [key[0] for key, stored in read_rows(rows).items() if not stored.written] == ["after"]


def test_the_end_of_a_run_brings_every_writers_files_to_the_disk(tmp_path: Path) -> None:
    mine, others = Shard(tmp_path, 1), Shard(tmp_path, 1)
    for number in range(3):
        others.row(row(f"b{number}"), [tmp_path / "gone"])
    mine.row(row("a"), [tmp_path / "gone"])
    elsewhere = next(iter(tmp_path.glob("*.jsonl")))
    shutil.copy(elsewhere, tmp_path / "000001-another.machine-1-0.jsonl")
    (tmp_path / "000001-another.machine-1-0.jsonl").write_text(
        "".join(
            json.dumps({"written": 5, "row": row(name).to_json()}) + "\n" for name in ("elsewhere", "another")
        )
    )  # fmt: skip
    asked: list[str] = []
    sync_generation(tmp_path, mine, lambda row: asked.append(row.image) or [])  # type: ignore[func-returns-value]
    assert sorted(asked) == ["a", "b0", "b1", "b2"]
    assert {key[0] for key, stored in read_rows(tmp_path).items() if not stored.written} == {"elsewhere", "another"}
    asked.clear()
    sync_generation(tmp_path, Shard(tmp_path, 2), lambda row: asked.append(row.image) or [])  # type: ignore[func-returns-value]
    assert not asked


JSON = st.none() | st.booleans() | st.integers(-2, 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.data())
def test_the_quick_way_to_a_row_is_the_careful_one_or_none(data: st.DataObject) -> None:
    whole = Row(**{**{f.name: getattr(row(), f.name) for f in fields(Row)}, "psnr": 30.5, "metrics": {"x": 1.0},
                   "trace": [[1.0, 2.0]]}).to_json()  # fmt: skip
    name = data.draw(st.sampled_from([*whole, "neighbour", "quality", "unknown"]))
    value = data.draw(JSON | st.just("inf") | st.lists(JSON, max_size=2) | st.dictionaries(st.text(), JSON, max_size=2))
    changed = {**whole, name: value}
    if data.draw(st.booleans()):
        del changed[name]
    quick = shards._plain_row(json.dumps({"written": 7, "row": changed}).encode())
    try:
        careful = Row.from_json(json.loads(json.dumps(changed)))
    except RunError:
        assert quick is None
    else:
        assert quick in ((careful, 7), None)
        assert quick is not None or "inf" in json.dumps(changed)


def test_what_is_made_without_collections_is_old_afterwards() -> None:
    """The next object would else have all of it looked through: with 100,000 rows a third of the time to read them."""
    assert gc.isenabled()
    with shards.without_collections():
        assert not gc.isenabled()
        made = [[number] for number in range(1000)]
    assert gc.isenabled()
    young = {id(item) for generation in (0, 1) for item in gc.get_objects(generation)}
    assert not young.intersection(map(id, made))
    assert gc.get_freeze_count() == 0


def test_what_a_program_froze_stays_frozen() -> None:
    """In a process of its own: threads of the one that runs the tests let go of frozen objects meanwhile."""
    script = (
        "import gc\n"
        "from isorate.runs import shards\n"
        "gc.freeze()\n"
        "before = gc.get_freeze_count()\n"
        "with shards.without_collections():\n"
        "    pass\n"
        "assert gc.get_freeze_count() >= before > 0\n"
    )
    ran = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_collections_that_were_off_stay_off() -> None:
    gc.disable()
    try:
        with shards.without_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_process_has_one_shard_a_run_and_generation(tmp_path: Path) -> None:
    first = shard_of_process(tmp_path / "rows", 1)
    assert shard_of_process(tmp_path / "rows", 1) is first
    assert shard_of_process(tmp_path / "rows", 2) is not first


@pytest.fixture
def made(two_photos: Path, tmp_path: Path, in_process: Executor) -> Callable[..., Run]:
    def make(**more: Any) -> Run:
        return api.run(
            two_photos, tmp_path / "run", anchor="jpeg", codecs=["jpeg2000"], points=["quality=30"],
            executor=in_process, use_cache=False, **more,
        )  # fmt: skip

    return make


def test_a_row_that_is_written_counts_whoever_wrote_last(made: Callable[..., Run]) -> None:
    first = made()
    second = Run.open(first.path)
    before = first.rows()[0]
    for run, note in ((first, "one"), (second, "two"), (first, "three"), (first, "four")):
        run.write_row(replace(before, status="failed: no", note=note))
        after = replace(before, status="failed: no", note=note)
        assert [run.stored_rows()[before.key].row for run in (first, second)] == [after, after]
    assert second.remove_row(*before.key)
    assert not second.remove_row(*before.key)
    assert before.key not in first.stored_rows()
    assert len(first.rows()) == 3


def test_a_good_row_of_a_worker_counts_before_a_failed_one_of_the_same_start(made: Callable[..., Run]) -> None:
    run = made()
    good = run.rows()[0]
    generation = run.begin_generation()
    worker = Run.open(run.path)
    worker.join_generation(generation)
    worker.write_row(replace(good, note="anew"))
    run.write_row(replace(good, status="failed: the executor broke"))
    assert run.stored_rows()[good.key].row == replace(good, note="anew")


def test_an_older_folder_is_read_and_continued_beside_its_files(
    made: Callable[..., Run], as_older_versions_wrote: Callable[[Path], dict[str, Path]]
) -> None:
    rows = made().rows()
    run = made()
    files = as_older_versions_wrote(run.path)
    assert sorted(file.name for file in (run.path / "rows").iterdir()) == sorted(file.name for file in files.values())
    assert len(files) == 4
    assert run.rows() == rows
    files["coffee--jpeg2000"].unlink()
    before = {file: file.read_bytes() for file in files.values() if file.exists()}
    continued = made()
    assert [row.key for row in continued.rows()] == [row.key for row in rows]
    assert {file: file.read_bytes() for file in before} == before
    assert only_shard(run.path / "rows").read_bytes().count(b'"row"') == 1
    assert run.remove_row(*rows[0].key)
    assert {file: file.read_bytes() for file in before} == before
    assert len(run.rows()) == 3
    assert len(made().rows()) == 4


def test_every_reader_says_the_same_of_an_older_folder(
    made: Callable[..., Run],
    as_older_versions_wrote: Callable[[Path], dict[str, Path]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = made()
    shutil.copytree(run.path, tmp_path / "older")
    as_older_versions_wrote(tmp_path / "older")
    write_baseline(run, tmp_path / "b.json", probe=False)
    capsys.readouterr()
    said = []
    for folder in (run.path, tmp_path / "older"):
        assert main(["table", str(folder)]) == 0
        assert main(["check", str(folder), "--baseline", str(tmp_path / "b.json")]) == 0
        said.append(capsys.readouterr().out.replace(str(folder), ""))
    assert said[0] == said[1]
    assert main(["compare", str(run.path), str(tmp_path / "older")]) == 0


def test_a_run_that_is_overwritten_begins_anew_in_the_same_process(made: Callable[..., Run]) -> None:
    before = made().rows()
    assert len(made(tolerance_pct=7.0, overwrite=True).rows()) == len(before) == 4
    run = made(tolerance_pct=7.0)
    assert run.remove_rows(row.key for row in before) == 4
    assert run.rows() == []
    assert len(made(tolerance_pct=7.0).rows()) == 4
