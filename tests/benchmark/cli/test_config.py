import tomllib
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path

import pytest

from isorate.cli import main
from isorate.cli.config import PLAIN, Settings, read_settings
from isorate.codecs.registry import configure
from isorate.errors import UsageError
from isorate.files.toml import TomlFile
from isorate.matching.outcome import Policy
from isorate.runs.folder import Run

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _nothing_configured() -> Iterator[None]:
    yield
    configure([])


def read(text: str, where: str = "/home/me/isorate.toml") -> Settings:
    return read_settings(TomlFile(text, where))


def test_an_empty_file_gives_the_defaults() -> None:
    assert read("") == Settings()


def test_every_key_reaches_the_settings() -> None:
    found = read("""
data = "photos"
anchor = "bpg:chroma=420"
codecs = ["jpeg:mode=integer", "jpeg2000"]
points = ["qp=32", "bpp=0.5"]
images = ["a"]
policy = "at-most"
tolerance = 1.5
workers = 3
out = "runs/x"
[[crop]]
name = "eye"
image = "a"
x = 1
y = 2
width = 30
height = 40
[tolerances.psnr]
absolute = 0.5
""")
    assert found.data == "/home/me/photos"
    assert found.out == Path("/home/me/runs/x")
    assert found.codecs == ("jpeg:mode=integer", "jpeg2000")
    assert (found.anchor, found.points, found.images) == ("bpg:chroma=420", ("qp=32", "bpp=0.5"), ("a",))
    assert (found.policy, found.tolerance, found.workers) == (Policy.AT_MOST, 1.5, 3)
    assert tomllib.loads(found.crops)["crop"][0]["height"] == 40
    assert found.tolerances.of("jpeg", "psnr", "a").absolute == 0.5
    assert read('data = "kodak"').data == "kodak"


@pytest.mark.parametrize(("text", "said"), [
    ("\nanchr = 'bpg'", ":2: no key 'anchr'; did you mean 'anchor'?"),
    ("zzz = 1", ":1: no key 'zzz'; there are: data, anchor, "),
    ("data = 3", ":1: data is 3; a text in quotes is needed"),
    ("codecs = 'jpeg'", ":1: codecs is 'jpeg'; a list is needed"),
    ("codecs = [\n 'jpeg',\n 'jpg']", ":1: no codec 'jpg'; did you mean 'jpeg'?"),
    ("data = 'x'\nanchor = 'bpeg'", ":2: no codec 'bpeg'; did you mean 'bpg'?"),
    ("policy = 'at-mots'", ":1: policy is 'at-mots'; did you mean 'at-most'?"),
    ("tolerance = 0", ":1: tolerance is 0; a number above 0 is needed"),
    ("tolerance = 'a'", ":1: tolerance is 'a'; a number above 0 is needed"),
    ("tolerance = inf", ":1: tolerance is inf; a number from -1e"),
    ("tolerance = 1e16", ":1: tolerance is 1e+16; a number from -1e"),
    ("\ntolerance = 1" + "0" * 400, ":2: tolerance is 1000"),
    ("tolerance = 1" + "0" * 5000, ": no valid TOML"),
    ("workers = 1.5", ":1: workers is 1.5; a whole number from 1 on is needed"),
    ("codec = 3", ":1: codec is 3; a table is needed: [codec]"),
    ("a = 1\na = [2\nb = 1", ":3: no valid TOML"),
    ("text = '''\nanchr = 1\n'''\nanchro = 2", ":1: no key 'text'"),
])  # fmt: skip
def test_mistakes_name_the_line_and_the_nearest_key(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        read(text, "isorate.toml")
    assert str(error.value).startswith(f"isorate.toml{said}")


@pytest.mark.parametrize(("knob", "said"), [
    ("low = -1e308, high = 1e308", "low is -1e+308; a number from -1e+15 to 1e+15"),
    ("low = 0, high = 99999999999999999999999999999999", "high is 99999999999999999999999999999999; a number"),
    ("low = nan, high = 1", "low is nan; a number"),
    ("low = 0, high = inf", "high is inf; a number"),
])  # fmt: skip
def test_a_knob_that_no_run_can_hold_is_refused_with_its_line(knob: str, said: str) -> None:
    lines = ["[codec.x]", 'suffix = ".png"', 'encode = "x {q} {input} {output}"', f'knob = {{ name = "q", {knob} }}']
    with pytest.raises(UsageError) as error:
        read("\n".join(lines), "isorate.toml")
    assert str(error.value).startswith(f"isorate.toml:4: {said}")


def test_a_time_limit_that_no_system_keeps_is_refused_with_its_line() -> None:
    lines = ["[codec.x]", 'suffix = ".png"', 'encode = "x {q} {input} {output}"', "timeout = 1e7",
             'knob = { name = "q", low = 0, high = 1 }']  # fmt: skip
    with pytest.raises(UsageError, match=r"isorate.toml:1: codec x: timeout=10000000.0 .*to 1e\+06"):
        read("\n".join(lines), "isorate.toml")


def test_what_looks_like_a_key_inside_a_text_is_none() -> None:
    file = TomlFile("a = '''\nb = 1\n'''\nb = 2\n[t]\nb = 3\n[[l]]\nb = 4\n[[l]]\nb = 5\n", "f")
    lines = [str(file.error(place, "x")) for place in (("b",), ("t", "b"), ("l", 0, "b"), ("l", 1, "b"), ("l", 1, "c"))]
    assert lines == ["f:4: x", "f:6: x", "f:8: x", "f:10: x", "f:9: x"]


def test_init_writes_a_file_that_is_valid_with_every_comment_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    text = Path("isorate.toml").read_text()
    assert read(text).codecs == ("learned", "jpeg2000", "jpeg")
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line or "[" in line[:5] else line for line in text.splitlines()
    )
    found = read(uncommented)
    assert found.images == ("coffee",)
    assert found.crops
    assert found.tolerances.overrides
    for key in PLAIN:
        assert f"{key} = " in text
    assert main(["init"]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["init", "--force"]) == 0


def test_the_documented_keys_are_the_files() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert all(f"`{key}`" in text for key in PLAIN)


def test_the_command_line_counts_more_than_the_file(
    two_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_process: Executor
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("isorate.toml").write_text(
        f'data = "{two_photos}"\nanchor = "jpeg"\ncodecs = ["jpeg:chroma=444"]\npoints = ["quality=30"]\n'
        'images = ["coffee"]\nout = "from-file"\n[[crop]]\nname = "c"\nimage = "coffee"\nx = 0\ny = 0\n'
        "width = 20\nheight = 20\n"
    )
    monkeypatch.setattr("isorate.engine.execution.worker_pool", lambda workers: nullcontext(in_process))
    assert main(["run"]) == 0
    run = Run.open(Path("from-file"))
    assert run.manifest.point_names == ("jpeg-quality30",)
    assert run.manifest.image_names == ("coffee",)
    assert (run.path / "crops.toml").is_file()
    assert main(["run", "--point", "quality=50", "-o", "other"]) == 0
    assert Run.open(Path("other")).manifest.point_names == ("jpeg-quality50",)


def test_a_run_without_a_folder_is_told_how_to_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--data", "samples"]) == 2
    assert "--out FOLDER" in capsys.readouterr().err


def test_another_anchor_leaves_out_the_points_of_the_files_own() -> None:
    chosen = read('anchor = "bpg"\npoints = ["qp=32", "bpp=0.5"]\ncurve_points = ["qp=40"]\n')
    other = chosen.changed(anchor="jpeg:chroma=444", points=None)
    assert (other.points, other.curve_points) == (("bpp=0.5",), ())
    assert chosen.changed(anchor="jpeg", points=("quality=9",)).points == ("quality=9",)
    assert chosen.changed(anchor="bpg:chroma=420").points == ("qp=32", "bpp=0.5")
