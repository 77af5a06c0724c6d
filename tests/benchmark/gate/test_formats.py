import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from isorate.cli import main
from isorate.gate.accept import write_baseline
from isorate.gate.findings import Checked, Verdict
from isorate.gate.formats import render
from isorate.runs.folder import Run
from isorate.runs.row import Row


@pytest.fixture
def regressed(against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]) -> Checked:
    return against(only(psnr=lambda v: v - 0.05))


def test_the_table_says_what_where_and_how_much(regressed: Checked) -> None:
    text = render(regressed, "table")
    assert text.startswith("REGRESSION")
    assert "kodim02, jpeg, bpg-qp37" in text
    assert "PSNR 30.0000 → 29.9500 dB, -0.0500 (allowed 0.02)" in text


def test_markdown_escapes_what_it_quotes(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]
) -> None:
    failed = only(status="failed: a | b <img>\nc", num_bytes=None, psnr=None)
    text = render(against(failed), "markdown")
    assert "a \\| b \\<img\\> c" in text
    for line in text.splitlines():
        if line.startswith("| kodim"):
            assert line.replace("\\|", "").count("|") == 3


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_what_a_terminal_would_obey_is_shown(
    form: Literal["table", "markdown"], against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]
) -> None:
    text = render(against(only(status="failed: \x1b[2J\u202ewon", num_bytes=None, psnr=None)), form)
    assert "x1b[2J" in text
    assert "u202ewon" in text
    assert not {"\x1b", "\u202e"} & set(text)


def test_junit_is_xml_with_a_case_for_each_row(
    against: Callable[..., Checked],
    only: Callable[..., Callable[[Row], Row]],
    new_backend: Callable[[str, str], Callable[[dict[str, Any]], object]],
) -> None:
    failed = only(status="failed: \x00 <bad> & worse", num_bytes=None, psnr=None)
    suite = ET.fromstring(render(against(failed), "junit"))
    assert suite.get("tests") == "9"
    assert suite.get("failures") == "1"
    case = suite.find("testcase[failure]")
    assert case is not None
    failure = case.find("failure")
    assert failure is not None
    assert (case.get("classname"), case.get("name")) == ("isorate.jpeg", "kodim02 bpg-qp37")
    assert "<bad> & worse" in failure.get("message", "")
    assert failure.get("type") == "regression"
    upgraded = against(only(psnr=lambda v: v - 1), new_backend("jpeg", "libjpeg-turbo 4"))
    types = {f.get("type") for f in ET.fromstring(render(upgraded, "junit")).iter("failure")}
    assert types == {"tool-chain change"}


def test_github_annotations_point_at_the_baselines_line(
    make_run: Callable[..., Run],
    tmp_path: Path,
    only: Callable[..., Callable[[Row], Row]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "a,b.json"
    write_baseline(make_run("a", images=2), file, probe=False)
    after = make_run("b", only(status="failed: 100 %\n::error::x", num_bytes=None, psnr=None), images=2)
    assert main(["check", str(after.path), "--baseline", str(file), "--format", "github"]) == 1
    lines = capsys.readouterr().out.splitlines()
    number = next(
        i for i, text in enumerate(file.read_text().splitlines(), 1) if '"kodim02"' in text and '"jpeg"' in text
    )
    assert lines[0].startswith(
        f"::error file={str(file).replace(',', '%2C')},line={number},title=isorate%3A failed cell::"
    )
    assert "100 %25%0A::error::x" in lines[0]
    assert len(lines) == 2


def test_json_is_strict_and_complete(regressed: Checked) -> None:
    data = json.loads(render(regressed, "json"), parse_constant=pytest.fail)
    assert data["verdict"] == "regression"
    assert data["findings"][0]["figure"]["change"] == pytest.approx(-0.05)
    assert len(data["rows"]) == 8


def test_exit_codes_and_saved_files(
    make_run: Callable[..., Run],
    tmp_path: Path,
    only: Callable[..., Callable[[Row], Row]],
    new_backend: Callable[[str, str], Callable[[dict[str, Any]], object]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = tmp_path / "base.json"
    run = make_run("a")
    assert main(["baseline", str(run.path), "-o", str(base), "--no-probe"]) == 0
    assert main(["check", str(run.path), "--baseline", str(base)]) == 0
    worse = make_run("worse", only(psnr=lambda v: v - 0.05))
    saved = [tmp_path / f"check{suffix}" for suffix in (".txt", ".md", ".xml", ".json")]
    words = [word for file in saved for word in ("--save", str(file))]
    assert main(["check", str(worse.path), "--baseline", str(base), *words]) == 1
    assert saved[0].read_text().startswith("REGRESSION")
    assert saved[1].read_text().startswith("### ")
    assert saved[2].read_text().startswith("<?xml")
    assert json.loads(saved[3].read_text())["verdict"] == "regression"
    upgraded = make_run("upgraded", change=new_backend("jpeg", "libjpeg-turbo 3.3.0"))
    capsys.readouterr()
    assert main(["check", str(upgraded.path), "--baseline", str(base), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["verdict"] == Verdict.TOOL_CHAIN


@pytest.mark.parametrize("words", [
    ["/nowhere", "--baseline", "base.json"],
    ["run", "--baseline", "nothing.json"],
    ["run", "--baseline", "base.json", "--save", "x.pdf"],
    ["run", "--baseline", "base.json", "--config", "nothing.toml"],
    ["run"],
])  # fmt: skip
def test_unusable_input_is_exit_code_3(
    make_run: Callable[..., Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_baseline(make_run(images=1), tmp_path / "base.json", probe=False)
    assert main(["check", *words]) == 3
    out, err = capsys.readouterr()
    assert (out + err).strip()
    assert "Traceback" not in out + err


def test_accept_rewrites_the_baseline(
    make_run: Callable[..., Run], tmp_path: Path, only: Callable[..., Callable[[Row], Row]]
) -> None:
    base = tmp_path / "base.json"
    write_baseline(make_run("a", images=2, points=("p", "q"), rates=(1.0, 1.4)), base)
    worse = make_run("b", only(psnr=lambda v: v - 1), images=2, points=("p", "q"), rates=(1.0, 1.4))
    words = ["check", str(worse.path), "--baseline", str(base)]
    assert main(words) == 1
    assert main([*words, "--accept"]) == 0
    assert main(words) == 0


def test_a_check_of_kodaks_rows_is_quick(
    make_run: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, run = tmp_path / "base.json", make_run()
    write_baseline(run, base, probe=False)
    start = time.process_time()
    assert main(["check", str(run.path), "--baseline", str(base)]) == 0
    assert time.process_time() - start < 2
