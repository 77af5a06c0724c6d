from dataclasses import replace
from typing import Any

import pytest

from isorate.reports.fairness import check
from isorate.reports.results import Comparison
from isorate.runs.row import Row

from .conftest import Fake, images, row


def titles(*rows: Row, **manifest: Any) -> list[str]:
    return [finding.title for finding in check(Comparison(Fake(list(rows), **manifest)))]


BPG = [row("bpg", image) for image in "abcde"]


def with_jpeg(**fields: Any) -> list[Row]:
    return BPG + [row("jpeg", image, **fields) for image in "abcde"]


def test_a_clean_run_has_nothing() -> None:
    assert titles(*with_jpeg()) == []


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"options": {"optimize": False}}, "Huffman tables not optimized"),
        ({"options": {"progressive": True}}, "Progressive files"),
        ({"options": {"wavelet": "5/3"}}, "Reversible wavelet"),
        ({"options": {"mct": False}}, "No colour transform"),
        ({"options": {"objective": "ms-ssim"}}, "Tuned for MS-SSIM"),
        ({"header_bytes": 301}, "JPEG: header share"),
        ({"residual_pct": 0.6}, "JPEG: rate not met"),
        ({"status": "failed: no"}, "JPEG: failures"),
        ({"ms_ssim": None}, "Images too small for MS-SSIM"),
        ({"note": "not monotone"}, "JPEG: notes of the match"),
    ],
)
def test_each_rule_finds_its_case(fields: dict[str, Any], title: str) -> None:
    assert titles(*with_jpeg(**fields)) == [title]


def test_header_share_at_the_limit_is_fine() -> None:
    assert titles(*with_jpeg(header_bytes=300)) == []


def test_chroma_counts_only_where_codecs_differ() -> None:
    reduced = [replace(some, options={"chroma": "420"}) for some in with_jpeg()]
    assert titles(*reduced) == []
    mixed = [replace(some, options={"chroma": "444" if some.codec == "bpg" else "420"}) for some in reduced]
    assert titles(*mixed) == ["Different chroma sampling"]


def test_back_ends_sources_few_and_missing() -> None:
    rows = with_jpeg(backend="one")
    assert titles(*rows[:-1], replace(rows[-1], backend="two")) == ["JPEG: several back ends"]
    assert titles(*rows, dataset=images(*"abcde", lossy="a")) == ["Lossy source"]
    assert titles(BPG[0], row("jpeg")) == ["Few images"]
    assert titles(*BPG, row("jpeg")) == ["Unfinished run"]


def test_few_images_say_what_their_intervals_rest_on() -> None:
    (one,) = check(Comparison(Fake([row("bpg"), row("jpeg")])))
    assert one.text.startswith("The data set has 1 image.")
    assert "interval" not in one.text
    (two,) = check(Comparison(Fake([row(codec, image) for image in "ab" for codec in ("bpg", "jpeg")])))
    assert two.text.startswith("The data set has 2 images.")
    assert "Intervals are wide" in two.text
    assert "normal distribution" in two.text


def test_the_residual_says_which_way() -> None:
    (finding,) = check(Comparison(Fake(with_jpeg(residual_pct=-2.0))))
    assert "smaller than asked for" in finding.text
    assert "−2.00 % (a, p)" in finding.text


def test_what_was_done_to_the_sources_is_told() -> None:
    dataset = images("a", "b", "c", "d", "e")
    a, b, c, d, _ = dataset["images"]
    a["notes"] = b["notes"] = ["grey to RGB"]
    c["notes"] = []
    d["notes"] = ["colour not managed: the file says gAMA 1, its samples are taken as sRGB"]
    found = check(Comparison(Fake(with_jpeg(), dataset=dataset)))
    assert [(finding.severity, finding.title) for finding in found] == [
        ("warning", "Colour not managed"), ("note", "Converted sources"),
    ]  # fmt: skip
    assert "d: colour not managed: the file says gAMA 1" in found[0].text
    assert "a, b: grey to RGB" in found[1].text


def measured(name: str, label: str) -> dict[str, Any]:
    """Return a further metric's entry in a manifest."""
    return {"name": name, "label": label, "unit": "dB", "digits": 2}


def test_where_a_further_metric_is_not_defined_is_told() -> None:
    """Of all codecs alike, or of some codecs' files alone."""
    further = [measured("psnr_611", "PSNR (6:1:1)")]
    rows = [replace(some, metrics={"psnr_611": None if some.image in "ab" else 31.0}) for some in with_jpeg()]
    (finding,) = check(Comparison(Fake(rows, more_metrics=further)))
    assert (finding.severity, finding.title) == ("note", "PSNR (6:1:1) not defined")
    assert "not defined for a, b." in finding.text
    assert "Means leave these out" in finding.text
    rows[-5] = replace(rows[-5], metrics={"psnr_611": 40.0})
    (finding,) = check(Comparison(Fake(rows, more_metrics=further)))
    assert finding.severity == "warning"
    assert "not defined for files of BPG (a, b), JPEG (b)" in finding.text
    assert "Means leave these images out, of every codec" in finding.text
    assert titles(*with_jpeg(metrics={}), more_metrics=further) == []
