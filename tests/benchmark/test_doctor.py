import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from isorate.cli import main
from isorate.doctor import Examined, State, examine, stops


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without bpgenc, Kodak or a configuration."""
    for name in ("ISORATE_BPGENC", "ISORATE_BPGDEC", "ISORATE_KODAK_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)


def look(data: str = "samples", codecs: Sequence[str] = ("jpeg",), out: str = "run") -> dict[tuple[str, str], Examined]:
    return {(item.group, item.name): item for item in examine(data, codecs, Path(out))}


def test_everything_is_looked_at() -> None:
    found = look()
    assert {group for group, _ in found} == {"codec", "program", "library", "metric", "data", "machine"}
    assert "libjpeg" in found["codec", "jpeg"].text
    assert found["program", "bpgenc"].state is State.MISSING
    assert "bellard.org" in found["program", "bpgenc"].text
    assert found["library", "torch"].state is State.OK
    assert "checksums match" in found["data", "samples"].text
    assert "GiB" in found["machine", "run folder"].text


def test_only_what_the_configuration_needs_stops_it() -> None:
    assert not stops(look(codecs=("bpg", "jpeg")).values())
    lacking = stops(look(codecs=("bpg:backend=bpgenc", "jpeg")).values())
    assert [item.name for item in lacking] == ["bpg:backend=bpgenc"]
    assert [item.name for item in stops(look(data="/nowhere").values())] == ["/nowhere"]
    assert [item.name for item in stops(look(codecs=("jpg",)).values())] == ["jpg"]


def test_kodak_can_be_downloaded_but_a_folder_that_was_named_must_be_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look(data="kodak")["data", "kodak"].state is State.WARNING
    monkeypatch.setenv("ISORATE_KODAK_DIR", str(tmp_path))
    lacking = stops(look(data="kodak").values())
    assert "24 of 24 files missing" in lacking[0].text
    assert not stops(look(data="samples").values())


def test_a_folder_that_cannot_be_written_stops_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert [item.name for item in stops(look(out=str(tmp_path / "file" / "run")).values())] == ["run folder"]


def test_exit_codes_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--data", "samples"]) == 0
    assert "can run" in capsys.readouterr().out
    assert main(["doctor", "--data", "samples", "--anchor", "bpg:backend=bpgenc"]) == 1
    assert "bpg:backend=bpgenc missing" in capsys.readouterr().out
    assert main(["doctor", "--data", "/nowhere", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert not data["ok"]
    assert [item["name"] for item in data["found"] if item["stops"]] == ["/nowhere"]
