"""A file that misses the rate has the file on the other side of the rate beside it, and values between the two."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

import isorate
from isorate.codecs.base import Codec
from isorate.codecs.jpeg import Jpeg
from isorate.engine.reproduce import Outcome, reproduce
from isorate.errors import CodecError
from isorate.image import Image
from isorate.matching.outcome import Match, Policy
from isorate.metrics import ms_ssim, psnr
from isorate.runs.folder import Run

WHOLE = Jpeg(mode="integer", chroma="444")


def start(photos: Path, out: Path, executor: Executor, codecs: Sequence[Codec] = (WHOLE,), **changes: Any) -> Run:
    given: dict[str, Any] = {"points": ["bpp=0.75"], "images": ["coffee"], "metrics": ["psnr_y"], **changes}
    return isorate.run(photos, out, anchor=Jpeg(), codecs=list(codecs), executor=executor, **given)


@pytest.fixture
def run(two_photos: Path, tmp_path: Path, in_process: Executor) -> Run:
    return start(two_photos, tmp_path / "run", in_process)


def test_the_neighbour_is_a_file_of_its_own_on_the_other_side(run: Run) -> None:
    anchor, row = run.rows()
    beside = row.neighbour
    assert beside is not None
    assert anchor.num_bytes is not None
    assert row.num_bytes is not None
    assert abs(row.residual_pct or 0) > 0.5
    assert sorted([row.num_bytes, beside.num_bytes, anchor.num_bytes])[1] == anchor.num_bytes
    assert abs(beside.knob - (row.knob or 0)) == 1
    original, pixels = run.original("coffee"), run.decoded_neighbour(row)
    data = (run.path / beside.stream).read_bytes()
    assert data == WHOLE.encode(original, beside.knob)
    assert (pixels == WHOLE.decode(data)).all()
    assert (beside.psnr, beside.ms_ssim) == (psnr(original, pixels), ms_ssim(original, pixels))
    assert set(beside.metrics) == {"psnr_y"}
    assert set(row.equal_rate) == {"psnr", "ms_ssim", "psnr_y"}
    for name, value in row.equal_rate.items():
        ends = row.value(name), beside.value(name)
        assert value is not None
        assert None not in ends
        assert min(e for e in ends if e is not None) < value < max(e for e in ends if e is not None)


def test_it_is_near_what_a_continuous_knob_has_there(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process, [WHOLE, Jpeg(chroma="444")], tolerance_pct=0.1)
    _, whole, continuous = run.rows()
    assert abs(whole.psnr - continuous.psnr) > 0.03  # type: ignore[operator]
    assert whole.compared("psnr") == pytest.approx(continuous.psnr, abs=0.01)


def test_the_anchor_and_what_meets_the_rate_have_none(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process, tolerance_pct=50)
    assert [row.neighbour for row in run.rows()] == [None, None]
    assert [row.equal_rate for row in run.rows()] == [{}, {}]


def test_out_of_reach_there_is_nothing_between(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process, [Jpeg(mode="integer", chroma="444", optimize=False)],
                points=["bpp=0.1"])  # fmt: skip
    _, row = run.rows()
    assert row.note.startswith("unreachable")
    assert row.neighbour is None
    assert row.equal_rate == {}


def test_a_point_for_curves_keeps_its_stream_alone(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process, curve_points=["bpp=0.8"])
    row = next(row for row in run.rows() if row.codec == run.manifest.codec_names[1] and row.point.endswith("0.8"))
    assert row.neighbour is not None
    assert row.neighbour.decoded == ""
    assert run.has_files(row)


@pytest.mark.parametrize("lost", ["stream", "decoded"])
def test_the_same_command_restores_its_files(lost: str, run: Run, two_photos: Path, in_process: Executor) -> None:
    row = run.rows()[1]
    file = run.path / getattr(row.neighbour, lost)
    before = file.read_bytes()
    file.write_bytes(b"?")
    assert not run.has_files(row)
    start(two_photos, run.path, in_process)
    assert file.read_bytes() == before


def test_a_row_of_an_older_version_gets_it_when_the_run_is_continued(
    run: Run, two_photos: Path, in_process: Executor
) -> None:
    now = run.rows()[1]
    run.write_row(replace(now, neighbour=None, equal_rate={}))
    assert run.rows()[1].compared("psnr") == now.psnr
    start(two_photos, run.path, in_process)
    assert run.rows()[1].neighbour == now.neighbour


def test_a_run_with_neighbours_reproduces(run: Run, tmp_path: Path, in_process: Executor) -> None:
    again = reproduce(run, tmp_path / "again", executor=in_process)
    assert [item.outcome for item in again] == [Outcome.SAME_FILE] * 2
    assert Run.open(tmp_path / "again").rows()[1].equal_rate == run.rows()[1].equal_rate


def test_a_neighbour_that_cannot_be_decoded_costs_its_own_value_alone(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = start(two_photos, tmp_path / "run", in_process).rows()[1]
    assert whole.neighbour is not None
    size, decode = whole.neighbour.num_bytes, Jpeg.decode

    def some(self: Jpeg, data: bytes) -> Image:
        if self.mode == "integer" and len(data) == size:
            raise CodecError("not this one")
        return decode(self, data)

    monkeypatch.setattr(Jpeg, "decode", some)
    row = start(two_photos, tmp_path / "other", in_process, use_cache=False).rows()[1]
    assert row.ok
    assert row.psnr == whole.psnr
    assert row.neighbour is None
    assert row.note == "outside tolerance; no value at equal rate: not this one"


@dataclass(frozen=True, eq=False)
class Fitted(Jpeg):
    """A codec that makes its file for a size in a way of its own."""

    name: ClassVar[str] = "fitted"

    def encode_to_size(
        self,
        image: Image,
        num_bytes: float,
        *,
        tolerance_pct: float = 0.5,
        policy: Policy = Policy.NEAREST,
        encode: Callable[..., bytes] | None = None,
    ) -> tuple[bytes, Match]:
        """See :class:`isorate.codecs.base.Codec`."""
        data, found = WHOLE.encode_to_size(image, num_bytes)
        return data, found


def test_between_a_fitted_file_and_others_nothing_is_interpolated(
    two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    row = start(two_photos, tmp_path / "run", in_process, [Fitted()]).rows()[1]
    assert row.ok, row.status
    assert row.neighbour is None
    assert "no value at equal rate" in row.note
