import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from isorate.codecs.base import Knob
from isorate.codecs.command_line import CommandLine
from isorate.codecs.registry import CodecSpec
from isorate.errors import RunError
from isorate.matching.outcome import Policy
from isorate.runs.differences import other_run, outdated, version_differences
from isorate.runs.folder import Run
from isorate.runs.manifest import CodecEntry, Manifest
from isorate.runs.point import AnchorPoint

Change: TypeAlias = Callable[[dict[str, Any]], object]

OLD: dict[str, Any] = {
    "schema": 1,
    "title": "Photographs",
    "created": "2025-01-01T00:00:00+00:00",
    "command": ["isorate", "run"],
    "dataset": {
        "name": "photos", "title": "", "licence": "", "citation": "",
        "images": [
            {"name": "a", "file": "a.png", "width": 4, "height": 3, "sha256": "x", "source_sha256": "y",
             "lossy": False, "notes": []},
            {"name": "b", "file": "b.png", "error": "b.png: not an image"},
        ],
    },
    "anchor": "mine",
    "codecs": [
        {"name": "mine", "label": "Mine", "spec": "mine", "backend": "mine 1", "options": {"encode": "mine"},
         "knob": {"name": "q2", "low": 1, "high": 100, "integer": True, "rising": True}, "available": True, "hint": "",
         "command_line": {
             "name": "mine", "label": "Mine", "suffix": ".m",
             "knob": {"name": "q2", "low": 1, "high": 100, "integer": True, "rising": True, "log": False,
                      "default": None, "typical": [[1, 0.1], [100, 2]]},
             "encode": "mine {q2} {input} {output}", "decode": "mine -d {input} {output}", "version": "",
             "picture": "png", "timeout": 120.0, "chroma": ""}},
        {"name": "none", "label": "None", "spec": "none", "backend": "", "options": {}, "knob": None,
         "available": False, "hint": "install it"},
    ],
    "points": ["mine-q220"],
    "policy": "nearest",
    "tolerance_pct": 0.5,
    "versions": {"python": "3.11.7"},
    "platform": {"system": "Linux", "cores": 2},
    "git_commit": None,
}  # fmt: skip
"""As versions wrote it whose points were names."""


def edited(change: Change) -> dict[str, Any]:
    data = copy.deepcopy(OLD)
    change(data)
    return data


def test_an_older_manifest_is_read_and_survives_json(tmp_path: Path) -> None:
    manifest = Manifest.from_json(OLD)
    assert manifest.points == manifest.point_names == ("mine-q220",)
    assert manifest.policy is Policy.NEAREST
    assert manifest.num_rows == 4
    assert manifest.image("b").error == "b.png: not an image"
    line = manifest.codec("mine").command_line
    assert line is not None
    assert line.knob.typical == ((1, 0.1), (100, 2))
    Run.create(tmp_path, manifest)
    assert Run.open(tmp_path).manifest == manifest


def test_points_are_data(tmp_path: Path) -> None:
    point = AnchorPoint(name="mine-bpp0.1", kind="bpp", value=0.1)
    manifest = replace(Manifest.from_json(OLD), points=(point,))
    assert Run.open(Run.create(tmp_path, manifest).path).manifest.points == (point,)
    written = json.loads((tmp_path / "manifest.json").read_text())["points"]
    assert written == [{"name": "mine-bpp0.1", "kind": "bpp", "knob": "", "value": 0.1, "pictures": True}]


@pytest.mark.parametrize(("change", "said"), [
    (lambda m: m.update(schema=2), "not a manifest of schema 1"),
    (lambda m: m.pop("versions"), "missing required field `versions`"),
    (lambda m: m.update(colour=1), "unknown fields ['colour']"),
    (lambda m: m["codecs"].append(1), "codecs[2]: expected `object`, got `int`"),
    (lambda m: m["codecs"][0].update(colour=1), "unknown fields ['codecs.0.colour']"),
    (lambda m: m["codecs"].append(m["codecs"][0]), "codecs: 'mine' is there twice"),
    (lambda m: m["dataset"]["images"][0].pop("sha256"), "dataset.images: 'a' has no size or checksum"),
    (lambda m: m["dataset"].update(images=None), "dataset.images: expected `array`, got `null`"),
    (lambda m: m["dataset"].update(images=[]), "dataset.images: expected `array` of length >= 1"),
    (lambda m: m.update(anchor="other"), "anchor: 'other' is none of the codecs"),
    (lambda m: m.update(policy="best"), "policy: invalid enum value 'best'"),
    (lambda m: m.update(tolerance_pct=float("nan")), "tolerance_pct is nan, not a finite number"),
    (lambda m: m.update(tolerance_pct=-1), "tolerance_pct: expected `float` > 0"),
    (lambda m: m.update(points=[{"name": "p", "kind": "colour", "value": 1}]), "points[0].kind: invalid enum value"),
    (lambda m: m.update(points=[{"name": "p", "kind": "bpp", "value": 0}]), "points: 'p' has the value 0.0; a number"),
    (lambda m: m.update(points=[{"name": "p", "kind": "quality", "value": -1}]), "points: 'p' has the value -1.0; a"),
])  # fmt: skip
def test_a_strangers_manifest_is_one_error_that_names_file_field_and_remedy(
    tmp_path: Path, change: Change, said: str
) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(edited(change)))
    with pytest.raises(RunError) as error:
        Run.open(tmp_path)
    assert said in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "manifest.json"))
    assert str(error.value).endswith("run the same isorate run command with --overwrite")


@pytest.mark.parametrize(("change", "said"), [
    (lambda m: m.update(anchor="none"), "anchor was 'mine', is 'none'"),
    (lambda m: m.update(policy="strict"), "policy was 'nearest', is 'strict'"),
    (lambda m: m.update(tolerance_pct=1), "tolerance_pct was 0.5, is 1.0"),
    (lambda m: m.update(points=["mine-q230"]), "points was ['mine-q220'], is ['mine-q230']"),
    (lambda m: m["dataset"].update(licence="CC0"), "the data set's licence was '', is 'CC0'"),
    (lambda m: m["dataset"]["images"].pop(), "image b is not in it any more"),
    (lambda m: m["dataset"]["images"].append({"name": "c", "error": "?"}), "image c was not in it"),
    (lambda m: m["dataset"]["images"][0].update(sha256="z"), "image a: sha256 was 'x', is 'z'"),
    (lambda m: m["dataset"]["images"].reverse(), "the images were in the order a, b, are in the order b, a"),
    (lambda m: m["codecs"][0]["knob"].update(high=50), "codec mine: knob was KnobEntry("),
    (lambda m: m["codecs"][0]["command_line"].update(timeout=1), "codec mine: command_line was CommandLine("),
    (lambda m: m["codecs"][1].update(available=True), "codec none: available was False, is True"),
])  # fmt: skip
def test_what_makes_another_run_is_named(change: Change, said: str) -> None:
    (found,) = other_run(Manifest.from_json(OLD), Manifest.from_json(edited(change)))
    assert found.startswith(said)


@pytest.mark.parametrize("change", [
    lambda m: None,
    lambda m: m.update(title="t", created="c", command=[], versions={}, platform={}, git_commit="0"),
    lambda m: m["codecs"][1].update(hint="install something else"),
    lambda m: m["codecs"][0].update(backend="mine 2", identity={"encode": "e", "decode": "d", "programs": ""}),
    lambda m: m.update(metrics="m"),
    lambda m: m.update(points=[{"name": "mine-q220", "kind": "knob", "knob": "q2", "value": 20}]),
])  # fmt: skip
def test_what_does_not_decide_is_no_other_run(change: Change) -> None:
    assert other_run(Manifest.from_json(OLD), Manifest.from_json(edited(change))) == []


def test_a_point_of_the_same_name_elsewhere_is_another_run() -> None:
    at = [AnchorPoint(name="p", kind="paper", knob="qp", value=value) for value in (37, 32)]
    before, now = (replace(Manifest.from_json(OLD), points=(point,)) for point in at)
    assert other_run(before, now) == ["point p was at qp 37, is at 32"]


def test_a_configured_codec_is_the_same_after_json() -> None:
    knob = Knob("q", 0, 10, integer=True, rising=True, typical=((1, 0.1), (9, 2.0)))
    line = CommandLine("sh", "Sh", ".sh", knob, "sh {q} {input} {output}", "sh {input} {output}")
    entry = CodecEntry.of("sh", "Sh", CodecSpec("sh", (), line))
    assert entry.available
    manifest = replace(Manifest.from_json(OLD), anchor="sh", codecs=(entry,))
    again = Manifest.from_json(json.loads(json.dumps(manifest.to_json())))
    assert other_run(manifest, again) == []
    assert again.codec("sh").codec_spec(allow_programs=True) == CodecSpec("sh", (), line)


def test_version_differences_start_with_the_back_ends() -> None:
    after = edited(lambda m: (m["codecs"][0].update(backend="mine 2"), m.update(git_commit="0" * 40, versions={})))
    assert version_differences(Manifest.from_json(OLD), Manifest.from_json(after)) == [
        ("mine", "mine: mine 1 → mine 2"), ("", "python 3.11.7 → none"), ("", "commit none → 000000000000"),
    ]  # fmt: skip


MADE = {"encode": "e", "decode": "d", "programs": "p"}


def known() -> dict[str, Any]:
    """Return a manifest with identities, and a second codec that can run."""
    data: dict[str, Any] = copy.deepcopy(OLD)
    data.update(metrics="m")
    data["codecs"][0].update(identity=MADE)
    data["codecs"][1].update(available=True, backend="other 1", identity=MADE)
    return data


@pytest.mark.parametrize(("change", "expected"), [
    (lambda m: None, {}),
    (lambda m: m.update(versions={"python": "3.14", "isorate": "9"}), {}),
    (lambda m: m["codecs"][1].update(backend="other 2"), {"none": "none: other 1 → other 2"}),
    (lambda m: m["codecs"][1].update(identity={**MADE, "decode": "D"}), {"none": "none: code or libraries changed"}),
    (lambda m: m["codecs"][1].update(identity={**MADE, "decode": "D", "programs": "P"}),
     {"none": "none: programs or scripts changed"}),
    (lambda m: m["codecs"][0].update(identity={**MADE, "decode": "D"}), {"mine": "mine: code or libraries changed"}),
    (lambda m: m["codecs"][0].update(identity={**MADE, "encode": "E"}),
     {"mine": "mine: code or libraries changed",
      "none": "it was driven to the anchor's rates; mine: code or libraries changed"}),
    (lambda m: m.update(metrics="M"), dict.fromkeys(("mine", "none"), "the metrics: their code changed")),
    (lambda m: m.update(metrics="M", versions={"python": "3.11.7", "torch": "2"}),
     dict.fromkeys(("mine", "none"), "the metrics: their code changed")),
])  # fmt: skip
def test_what_another_identity_made_is_outdated(
    change: Callable[[dict[str, Any]], object], expected: dict[str, str]
) -> None:
    now = known()
    change(now)
    assert outdated(Manifest.from_json(known()), Manifest.from_json(now)) == expected


def test_an_older_manifest_is_outdated_by_back_end_and_metrics_packages() -> None:
    then = known()
    del then["metrics"], then["codecs"][0]["identity"], then["codecs"][1]["identity"]
    then["versions"]["torch"] = "2.5"
    now = known()
    now["versions"]["torch"] = "2.5"
    before = Manifest.from_json(then)
    assert outdated(before, Manifest.from_json(now)) == {}
    now["codecs"][1]["backend"] = "other 2"
    assert outdated(before, Manifest.from_json(now)) == {"none": "none: other 1 → other 2"}
    now["versions"]["torch"] = "2.6"
    assert outdated(before, Manifest.from_json(now))["mine"] == "the metrics: torch 2.5 → 2.6 changed"
