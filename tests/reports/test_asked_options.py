"""Options that a user asked for stand beside tables, which name a codec by its label alone."""

import json
import shutil
from pathlib import Path
from typing import Any

from isorate.reports import page, tables
from isorate.reports.asked_options import asked_options
from isorate.reports.class_tables import render
from isorate.reports.results import Comparison
from isorate.runs.folder import Run

from .conftest import Fake, images, row

JPEG = {"mode": "continuous", "chroma": "444", "optimize": False, "progressive": False}


def comparison(*specs: str, **manifest: Any) -> Comparison:
    """Return a run of BPG and of JPEG by each of the specs, which all have the same options in their rows."""
    names = ["jpeg", *specs[1:]]
    rows = [row("bpg", image, options={"chroma": "444"}) for image in "ab"]
    for at, name in enumerate(names):
        label = f"JPEG ({name.partition(':')[2]})" if at else "JPEG"
        rows += [row(name, image, label=label, options=JPEG) for image in "ab"]
    entries = [("bpg", "bpg"), *zip(names, specs, strict=True)]
    said = [{"name": name, "spec": spec, "backend": "", "options": {}, "available": True} for name, spec in entries]
    return Comparison(Fake(rows, codecs=said, **manifest))


def test_a_column_says_which_options_were_asked_for() -> None:
    found = comparison("jpeg:chroma=444,optimize=false")
    sentence = "JPEG ran with chroma 4:4:4, optimize false."
    assert asked_options(found) == [sentence]
    assert sentence in tables.render(found, "markdown")
    assert sentence in tables.render(found, "latex")


def test_it_stands_below_the_pages_table(run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(run.path, tmp_path / "run")
    said = json.loads((folder / "manifest.json").read_bytes())
    (jpeg,) = [entry for entry in said["codecs"] if entry["name"] == "jpeg"]
    jpeg["spec"] = "jpeg:chroma=420"
    (folder / "manifest.json").write_text(json.dumps(said))
    assert "JPEG ran with chroma 4:2:0." in page.render(folder, tmp_path / "page").read_text("utf-8")


def test_it_stands_below_results_by_class_too() -> None:
    dataset = images("a", "b")
    for entry, name in zip(dataset["images"], ("people", "places"), strict=True):
        entry["image_class"] = name
    found = comparison("jpeg:optimize=false", dataset=dataset)
    assert render(found, "markdown").endswith("\nJPEG ran with optimize false.\n")


def test_defaults_are_not_told_nor_what_changes_no_bit() -> None:
    assert asked_options(comparison("jpeg")) == []
    assert asked_options(comparison("jpeg:threads=4")) == []


def test_what_the_column_is_called_is_not_told_again() -> None:
    found = comparison("jpeg", "jpeg:optimize=false")
    assert [column.label for column in found.columns] == ["BPG", "JPEG", "JPEG (optimize=false)"]
    assert asked_options(found) == []


def test_the_value_is_that_of_the_rows() -> None:
    """A path in a spec is a digest in the rows, and a number may be written in several ways."""
    found = comparison("jpeg:mode=/home/someone/checkpoints")
    assert asked_options(found) == ["JPEG ran with mode continuous."]


def test_a_codec_that_the_manifest_does_not_name_has_none() -> None:
    found = comparison("jpeg:optimize=false")
    lost = Fake(found.rows, codecs=[{"name": "bpg", "spec": "bpg", "backend": "", "options": {}, "available": True}])
    assert asked_options(Comparison(lost)) == []
