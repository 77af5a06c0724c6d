"""Files that came with isorate as a column of a comparison."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate.cli import main
from isorate.codecs.overfitted import ShippedOverfitted
from isorate.codecs.overfitted.shipped.files import shipped_files
from isorate.errors import CodecError, MatchError
from isorate.matching.outcome import Policy


def test_other_pictures_are_refused() -> None:
    with pytest.raises(CodecError, match=r"came for kodim02, .*kodim23; fit other pictures with --codec overfitted"):
        ShippedOverfitted().encode(np.zeros((8, 8, 3), np.uint8), 0.2)


@pytest.mark.kodak
def test_the_file_is_what_it_is_at_every_size(kodak_dir: Path) -> None:
    image = np.asarray(PillowImage.open(kodak_dir / "kodim02.png"))
    codec, shipped = ShippedOverfitted(), shipped_files()[0].read()
    data, match = codec.encode_to_size(image, len(shipped) * 1.001)
    assert data == shipped
    assert not match.unreachable
    data, match = codec.encode_to_size(image, 20000.0)
    assert data == shipped
    assert match.unreachable
    with pytest.raises(MatchError, match="off the target 20000"):
        codec.encode_to_size(image, 20000.0, policy=Policy.STRICT)


@pytest.mark.kodak
def test_a_report_of_the_six_has_the_column(
    kodak_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("isorate.engine.workers.ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    for name in ("kodim20", "kodim23"):
        (tmp_path / "data" / f"{name}.png").parent.mkdir(exist_ok=True)
        (tmp_path / "data" / f"{name}.png").write_bytes((kodak_dir / f"{name}.png").read_bytes())
    run = str(tmp_path / "run")
    arguments = ["--data", str(tmp_path / "data"), "--out", run, "--anchor", "overfitted-shipped", "--codec", "jpeg"]
    assert main(["run", *arguments]) == 0
    capsys.readouterr()
    assert main(["table", run, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    found = {row["image"]: row for row in rows if row["codec"] == "overfitted-shipped"}
    for file in shipped_files()[-2:]:
        assert found[file.image]["num_bytes"] == len(file.read())
        assert found[file.image]["psnr"] == pytest.approx(file.psnr, abs=0.01)
    assert main(["report", run]) == 0
    assert "Overfitted (shipped files)" in (tmp_path / "run" / "report" / "index.html").read_text(encoding="utf-8")
