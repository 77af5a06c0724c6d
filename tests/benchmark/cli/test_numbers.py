"""Every number that the command line takes: what is of another kind is one line, and nothing is done."""

import inspect
import typing
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from isorate.cli import commands, learned, main, overfitted
from isorate.cli.numbers import Count, Inches, Positive, Resolution, Whole

GROUPS = [("learned", learned.PLACES), ("overfitted", overfitted.PLACES)]
UNUSABLE: list[tuple[Any, list[str]]] = [
    (Whole, ["1.5", "2.0", "-1", "nan", "inf", "x", "", "1e3", "9" * 5000]),
    (Count, ["1.5", "2.0", "0", "-1", "nan", "inf", "x", "", "1e3", "0x"]),
    (Resolution, ["1.5", "0", "2401", "x"]),
    (Positive, ["0", "-1", "nan", "inf", "x", "", "1,5", "1e999"]),
    (Inches, ["0", "-1", "nan", "inf", "x", "101"]),
]
PLACES: dict[tuple[str, ...], str] = {
    (name,): place for name, place in commands.PLACES.items() if name not in ("learned", "overfitted")
}
PLACES |= {(group, name): place for group, room in GROUPS for name, place in room.items()}
KNOB = ("encode", "knob")
"""A number of any size; the codec says what it takes."""


def alternatives(annotation: Any) -> tuple[Any, ...]:
    return typing.get_args(annotation) if typing.get_origin(annotation) is not typing.Annotated else (annotation,)


def numbers() -> Iterator[Any]:
    for words, place in PLACES.items():
        module, _, function = place.partition(":")
        for name, parameter in inspect.signature(getattr(import_module(module), function)).parameters.items():
            kinds = (parameter.annotation, *alternatives(parameter.annotation))
            if (*words, name) == KNOB:
                continue
            assert not {int, float} & set(kinds), f"{' '.join(words)}: {name} takes numbers of every kind"
            for kind, values in UNUSABLE:
                if kind in kinds:
                    yield pytest.param(words, name, values, id=f"{' '.join(words)} {name}")


def required(words: tuple[str, ...]) -> list[str]:
    module, _, function = PLACES[words].partition(":")
    parameters = inspect.signature(getattr(import_module(module), function)).parameters.values()
    return [
        "/nowhere" if one.kind is inspect.Parameter.POSITIONAL_ONLY else f"--{one.name}=x"
        for one in parameters
        if one.default is inspect.Parameter.empty and one.kind is not inspect.Parameter.VAR_POSITIONAL
    ]


@pytest.mark.parametrize(("words", "name", "values"), [*numbers()])
def test_what_is_no_such_number_is_one_line(
    words: tuple[str, ...],
    name: str,
    values: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    option = f"--{name.replace('_', '-')}"
    for value in values:
        assert main([*words, *required(words), f"{option}={value}"]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"isorate: Invalid value for {option}: {value[:40]!r}; a ")
        assert said.endswith(" is needed\n")
        assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "101", "x"])
def test_a_knob_value_is_what_the_codec_takes(
    value: str, photo_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encode", str(photo_file), str(tmp_path / "a.jpg"), f"--knob={value}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "a.jpg").exists()


@pytest.mark.parametrize("words", [
    ["--point", "quality=x"], ["--point", "quality=nan"], ["--point", "bpp=0"], ["--point", "bpp=inf"],
    ["--curve-point", "bpp=-1"], ["--codec", "learned:effort=1.5"], ["--codec", "overfitted:steps=1.5"],
    ["--codec", "learned:threads=x"],
])  # fmt: skip
def test_numbers_inside_other_words(
    words: list[str], photo_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["run", "--data", str(photo_file.parent), "--anchor", "jpeg", "-o", str(out), *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("value", ["1.5", "0", "true", '"2"', "nan"])
def test_workers_of_a_configuration(
    value: str, photo_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "isorate.toml"
    config.write_text(f"workers = {value}\n")
    assert main(["run", "--config", str(config), "--data", str(photo_file.parent), "-o", str(tmp_path / "run")]) == 2
    assert f"{config}:1: workers is " in capsys.readouterr().err


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    from PIL import Image
    from skimage.data import coffee

    (tmp_path / "photos").mkdir()
    Image.fromarray(coffee()[:32, :48]).save(tmp_path / "photos" / "a.png")
    return tmp_path / "photos" / "a.png"
