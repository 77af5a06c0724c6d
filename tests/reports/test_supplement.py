"""The LaTeX of a run's supplementary: what it says, and that it compiles."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from isorate.cli import main
from isorate.errors import ReportError, RunError
from isorate.reports import figures, supplement
from isorate.runs.folder import Run


def test_it_has_both_figures_of_an_image_and_the_table(curve_run: Run, tmp_path: Path) -> None:
    file = supplement.write(curve_run, tmp_path, images=["chelsea"], dpi=60)
    text = file.read_text("utf-8")
    assert re.findall(r"includegraphics\[.*?\]\{(.*?)\}", text) == ["0002-1-whole.pdf", "0002-1-crops.pdf"]
    assert {path.name for path in tmp_path.iterdir()} == {"supplement.tex", "0002-1-whole.pdf", "0002-1-crops.pdf"}
    assert r"chelsea ($301 \times 201$; WebP at quality 30)" in text
    assert r"The boxes of Figure~\ref{0002-1-whole} (chelsea), magnified" in text
    assert text.count(r"\begin{table*}") == 1
    assert text.count(r"\begin{figure}") == 1


def test_whole_pictures_leave_their_crops_room_unless_they_become_too_narrow(
    curve_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    draw = figures.whole_figure

    def watched(*about: Any) -> Any:
        asked.append(about[-1])
        drawn = draw(*about)
        assert drawn.get_size_inches()[1] <= about[-1]
        return drawn

    monkeypatch.setattr(figures, "whole_figure", watched)
    together = supplement.write(curve_run, tmp_path, images=["chelsea"], dpi=60).read_text("utf-8")
    monkeypatch.setattr(supplement, "NARROWEST", supplement.WIDTH)
    apart = supplement.write(curve_run, tmp_path, images=["chelsea"], dpi=60).read_text("utf-8")
    assert [text.count(r"\begin{figure}") for text in (together, apart)] == [1, 2]
    assert asked[0] < asked[1] == figures.PAGE_HEIGHT


def test_values_at_equal_rate_are_explained_once(apart_run: Run, tmp_path: Path) -> None:
    text = supplement.write(apart_run, tmp_path, images=["chelsea"], dpi=60).read_text("utf-8")
    captions = re.findall(r"\\caption\{(.*)\}\n", text)
    assert any("at equal rate" in caption for caption in captions)
    assert all(caption.count("at equal rate") <= 1 for caption in captions)


def test_images_with_pinned_boxes_are_the_default(curve_run: Run, tmp_path: Path) -> None:
    shutil.copytree(curve_run.path, tmp_path / "run")
    pin = '[[crop]]\nname = "eye"\nimage = "{}"\nx = 8\ny = 8\nwidth = 32\nheight = 32\nzoom = 3\n'
    (tmp_path / "run" / "crops.toml").write_text(pin.format("camera"))
    file = supplement.write(tmp_path / "run", dpi=60)
    assert file == tmp_path / "run" / "supplement" / "supplement.tex"
    assert len(list(file.parent.glob("*.pdf"))) == 2
    assert "(camera), magnified 3 times" in file.read_text("utf-8")


def test_what_cannot_be_written_is_told(curve_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ReportError, match="has no images other"):
        supplement.write(curve_run, tmp_path, images=["other"])
    with pytest.raises(ReportError, match="a dpi from"):
        supplement.write(curve_run, tmp_path, dpi=0)
    shutil.copytree(curve_run.path, tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run" / "supplement").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="leads out of the run"):
        supplement.write(tmp_path / "run")
    (tmp_path / "file").write_text("")
    assert main(["supplement", str(curve_run.path), "-o", str(tmp_path / "file"), "--image", "rocket"]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_it_compiles_with_a_hostile_name(hostile_run: Run, tmp_path: Path) -> None:
    file = supplement.write(hostile_run, tmp_path, dpi=60)
    for _ in range(2):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file.name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        if b"siunitx.sty' not found" in done.stdout:
            pytest.skip("no siunitx; install texlive-science")
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert b"undefined references" not in done.stdout
    assert b"Float too large" not in done.stdout
    assert (tmp_path / "supplement.pdf").stat().st_size > 10_000
