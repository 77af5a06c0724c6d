"""Results by class of image: the same figures as of a run of that class alone."""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from isorate.cli import main
from isorate.errors import ReportError
from isorate.reports import class_tables, page, tables
from isorate.reports.bdrate import of_codec
from isorate.reports.classes import NO_CLASS, by_class, images_by_class
from isorate.reports.compare_page import html, text, to_json
from isorate.reports.compare_runs import compare_runs
from isorate.reports.results import Comparison
from isorate.reports.summary import summarize
from isorate.run_results import RunResults
from isorate.runs.folder import Run
from isorate.runs.manifest import Manifest
from isorate.runs.row import Row

from .conftest import HOSTILE

CLASSES = {"astronaut": "people", "chelsea": HOSTILE[:80], "camera": "people"}


def with_classes(run: Run, path: Path, classes: dict[str, str]) -> Run:
    shutil.copytree(run.path, path)
    said = run.manifest.to_json()
    for image in said["dataset"]["images"]:
        image["image_class"] = classes.get(image["name"], "")
    return Run.create(path, Manifest.from_json(said))


@pytest.fixture(scope="module")
def classed(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Four photographs: two of one class, one of a class with a hostile name, one without."""
    return with_classes(run, tmp_path_factory.mktemp("classes") / "run", CLASSES)


def test_classes_stand_in_the_data_sets_order(classed: Run) -> None:
    found = images_by_class(Comparison(classed))
    assert found == {"people": ["astronaut", "camera"], HOSTILE[:80]: ["chelsea"], NO_CLASS: ["rocket"]}


def test_a_class_has_the_figures_of_a_run_of_it_alone(classed: Run, tmp_path: Path) -> None:
    alone = shutil.copytree(classed.path, tmp_path / "alone")
    said = classed.manifest.to_json()
    said["dataset"]["images"] = [image for image in said["dataset"]["images"] if image["image_class"] == "people"]
    only = Run.create(alone, Manifest.from_json(said))
    only.remove_rows([row.key for row in only.rows() if row.image not in ("astronaut", "camera")])
    expected = Comparison(only)
    people = next(by_class(Comparison(classed)))
    assert (people.name, people.images) == ("people", 2)
    assert len(people.levels) == len(expected.levels()) == 4
    for (level, summaries), same in zip(people.levels, expected.levels(), strict=True):
        assert level.label == same.label
        assert summaries == summarize(expected, same)
    for column in expected.columns[1:]:
        for metric in ("psnr", "ms_ssim"):
            assert people.rates[column][metric] == of_codec(expected, column, metric, each_image=False)
    assert any(rate.percent is not None for rates in people.rates.values() for rate in rates.values())


def test_of_many_classes_the_largest_are_taken(classed: Run) -> None:
    comparison = Comparison(classed)
    assert [some.name for some in by_class(comparison, 1)] == ["people"]
    assert [some.name for some in by_class(comparison, 2)] == ["people", HOSTILE[:80]]


def test_the_csv_and_the_json_say_the_same(classed: Run) -> None:
    found = json.loads(class_tables.render(classed, "json"))
    lines = list(csv.DictReader(io.StringIO(class_tables.render(classed, "csv"))))
    assert len(found) == len(lines) == 3 * 4 * 3  # classes, points, codecs
    for entry, line in zip(found, lines, strict=True):
        assert list(entry) == list(line)
        assert {key: "" if value is None else str(value) for key, value in entry.items()} == line
    first = next(entry for entry in found if entry["codec"] == "jpeg" and entry["class"] == "people")
    people = next(by_class(Comparison(classed)))
    (column,) = (column for column in people.rates if column.codec == "jpeg")
    assert first["bd_rate_psnr"] == people.rates[column]["psnr"].percent
    (gap,) = (some.difference_psnr for some in people.levels[0][1] if some.column == column)
    assert gap is not None
    assert (first["difference_psnr"], first["difference_psnr_low"]) == (gap.mean, gap.low)


def test_markdown_and_the_page_have_them(classed: Run, run: Run, tmp_path: Path) -> None:
    text = tables.render(classed, "markdown")
    assert "## By class: webp-quality10" in text
    assert "## BD-rate by class" in text
    assert "| people | 2 | JPEG |" in text
    assert "<script>" not in text
    assert "By class" not in tables.render(run, "markdown")
    html = page.render(classed, tmp_path / "page").read_text("utf-8")
    assert html.count("<h3>By class</h3>") == 1
    assert html.count('<table class="numbers classes">') == 4
    assert "people <small>2 images</small>" in html
    assert "<script>alert" not in html
    assert "By class" not in page.render(run, tmp_path / "plain").read_text("utf-8")


def test_a_page_says_how_many_classes_it_leaves_out(
    classed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "CLASSES", 1)
    html = page.render(classed, tmp_path / "page").read_text("utf-8")
    assert "The 1 classes with most images" in html
    assert "has the other 2" in html
    assert HOSTILE[:20] not in html


def test_the_command_prints_them_or_says_what_to_do(
    classed: Run, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", str(classed.path), "--by-class"]) == 0
    assert capsys.readouterr().out == class_tables.render(classed, "markdown")
    assert main(["table", str(run.path), "--by-class"]) == 2
    assert "does not name two classes; name them in its manifest" in capsys.readouterr().err
    assert main(["table", str(classed.path), "--by-class", "--format", "latex"]) == 2
    assert "use one of markdown, csv, json" in capsys.readouterr().err
    one = with_classes(run, tmp_path / "one", dict.fromkeys(run.manifest.image_names, "same"))
    with pytest.raises(ReportError, match="two classes"):
        class_tables.render(one, "csv")


def test_a_codec_that_failed_on_a_class_has_no_rate_there(hostile_run: Run, tmp_path: Path) -> None:
    path = shutil.copytree(hostile_run.path, tmp_path / "run")
    said = hostile_run.manifest.to_json()
    said["dataset"]["images"][0]["image_class"] = "a"
    unread = {"name": "unread", "error": "damaged", "image_class": "b"}
    said["dataset"]["images"] = [*said["dataset"]["images"], unread]
    made = Run.create(path, Manifest.from_json(said))
    failed = {**made.rows()[0].to_json(), "image": "unread", "status": "failed: damaged", "width": 0, "height": 0}
    keep = {
        key: failed[key] for key in ("image", "width", "height", "image_sha256", "codec", "label", "point", "status")
    }
    made.write_row(Row.from_json({**keep, "role": "anchor"}))
    found = json.loads(class_tables.render(made, "json"))
    assert {entry["class"] for entry in found} == {"a", "b"}
    assert all(entry["bd_rate_psnr"] is None for entry in found)
    assert next(entry["psnr"] for entry in found if entry["codec"] == "webp") == "inf"
    assert page.render(made, tmp_path / "page").exists()


def changed(run: Run, path: Path) -> Run:
    """Return a copy whose JPEG2000 is better by the number of the row."""
    shutil.copytree(run.path, path)
    made = Run.open(path)
    for number, row in enumerate(made.rows()):
        if row.codec == "jpeg2000" and row.psnr is not None:
            made.write_row(replace(row, psnr=row.psnr + 0.01 * number))
    return made


@pytest.mark.parametrize("who", ["both", "first", "second"])
def test_a_class_changed_as_runs_of_it_alone_did(classed: Run, run: Run, tmp_path: Path, who: str) -> None:
    second = changed(classed if who != "first" else run, tmp_path / "second")
    first = classed if who != "second" else run
    compared = compare_runs(first, second, by_class=True)
    assert [(some.name, some.images) for some in compared.classes] == [
        ("people", 2),
        (HOSTILE[:80], 1),
        (NO_CLASS, 1),
    ]
    assert compare_runs(first, second).classes == ()
    assert compare_runs(first, second).codecs == compared.codecs
    alone = Run.open(shutil.copytree(first.path, tmp_path / "alone"))
    alone.remove_rows([row.key for row in alone.rows() if row.image not in ("astronaut", "camera")])
    assert compared.classes[0].codecs == compare_runs(alone, second).codecs
    (better,) = [change for change in compared.classes[0].codecs if change.codec == "jpeg2000"]
    assert better.psnr is not None
    assert better.psnr.mean > 0
    assert better.wins_psnr == 1


def test_a_comparison_by_class_is_printed_and_written(
    classed: Run, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compared = compare_runs(classed, changed(classed, tmp_path / "second"), by_class=True)
    said = text(compared)
    assert "\npeople: 2 images\ncodec " in said
    assert f"\n{NO_CLASS}: 1 image\n" in said
    page_text = html(compared)
    assert "<h2>people: 2 images</h2>" in page_text
    assert HOSTILE[:80] not in page_text
    assert main(["compare", str(classed.path), str(tmp_path / "second"), "--by-class", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data == json.loads(to_json(compared))
    assert [some["class"] for some in data["classes"]] == ["people", HOSTILE[:80], NO_CLASS]
    keys = {key for key in data["codecs"][0] if key != "cells"}
    assert all(set(change) == keys for some in data["classes"] for change in some["codecs"])
    assert "classes" not in json.loads(to_json(compare_runs(classed, run)))
    assert main(["compare", str(run.path), str(run.path), "--by-class"]) == 2
    assert "does not name two classes; name them" in capsys.readouterr().err


def test_the_data_frame_has_the_classes(classed: Run) -> None:
    pytest.importorskip("pandas")
    frame = RunResults(classed.path, classed.manifest).frame()
    found = dict(zip(frame["image"], frame["class"], strict=True))
    assert found == {"astronaut": "people", "camera": "people", "chelsea": HOSTILE[:80], "rocket": None}
