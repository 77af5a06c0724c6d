"""What others published, read back: right, or refused with file and line."""

import json
import math
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isorate.errors import ReportError
from isorate.reports import page, published_kodak, tables
from isorate.reports.bdrate import bd_rate
from isorate.reports.curves import Curve, CurvePoint, to_compressai
from isorate.reports.published import named, read
from isorate.runs.folder import Run


def test_a_tables_compressai_json_reads_back(run: Run, tmp_path: Path) -> None:
    text = tables.render(run, "compressai")
    objects = json.loads(text)
    assert [item["name"] for item in objects] == ["WebP", "JPEG2000", "JPEG"]
    (tmp_path / "all.json").write_text(text)
    for item, curve in zip(objects, read(tmp_path / "all.json"), strict=True):
        assert [point.bpp for point in curve.points] == item["results"]["bpp"]
        assert [point.psnr for point in curve.points] == item["results"]["psnr-rgb"]
    (tmp_path / "one.json").write_text(json.dumps(objects[0]))
    assert len(read(tmp_path)) == 4


def test_an_infinite_psnr_is_null_in_json_and_reads_back(hostile_run: Run, tmp_path: Path) -> None:
    file = tmp_path / "curves.json"
    file.write_text(tables.render(hostile_run, "compressai"))
    json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert [point.psnr for point in read(file)[0].points] == [None]


@given(st.lists(st.tuples(st.floats(0.01, 20), st.floats(0, 100), st.floats(0, 1)), min_size=1, max_size=6))
def test_a_curve_survives_a_round_trip(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[float, float, float]]
) -> None:
    points = tuple(sorted((CurvePoint(*some) for some in values), key=lambda point: point.bpp))
    file = tmp_path_factory.mktemp("curve") / "curve.json"
    file.write_text(json.dumps(to_compressai(Curve("a", points), "b")))
    (found,) = read(file)
    assert found == Curve("a", points, "b")


def test_ms_ssim_in_decibels_has_a_column_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "db.csv"
    file.write_text("codec,bpp,psnr,ms_ssim_db\nL,0.1,28.1,10\nL,0.2,30,20\nL,0.3,31,\n")
    assert [point.ms_ssim for point in read(file)[0].points] == [pytest.approx(0.9), pytest.approx(0.99), None]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("L,0.1,28.1,13.79", r"line 3: ms_ssim is '13\.79', outside 0\.\.1; .*ms_ssim_db"),
        ("L,0.1,28.1,-0.2", "line 3: ms_ssim is '-0.2'"),
        ("L,0.1,nan,0.9", "line 3: psnr is 'nan'"),
        ("L,0.1,inf,0.9", "line 3: psnr is 'inf'"),
        ("L,nan,30,0.9", "line 3: bpp is 'nan'"),
        ("L,0,30,0.9", "line 3: bpp is '0'; a positive"),
        ("L,-1,30,0.9", "line 3: bpp is '-1'; a positive"),
        ("L,much,30,0.9", "line 3: bpp is 'much'"),
        ("L,,30,0.9", "line 3: bpp is None"),
        (",0.1,30,0.9", "line 3: no codec"),
        (f"L,0.1,{'9' * 401},0.9", r"line 3: psnr is '9+\.\.\.9+'; a finite"),
    ],
)
def test_a_number_that_cannot_be_is_refused_with_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(f"codec,bpp,psnr_rgb,ms_ssim\nL,0.2,30,0.9\n{line}\n")
    with pytest.raises(ReportError, match=rf"bad\.csv, {message}"):
        read(file)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "true", '"x"', "[]"])
def test_a_number_that_cannot_be_in_json_is_refused(tmp_path: Path, value: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(f'{{"name": "a", "results": {{"bpp": [0.1, {value}], "psnr-rgb": [30, 31]}}}}')
    with pytest.raises(ReportError, match=r"bad\.json, a, entry 2: bpp is"):
        read(file)


@pytest.mark.parametrize("value", ["1" * 401, "1" * 5000, "1e999", "[" * 300 + "]" * 300, f'"{"x" * 5000}"'])
@pytest.mark.parametrize("name", ["bpp", "psnr", "ms_ssim"])
def test_what_no_number_can_be_made_of_is_refused_with_its_entry_in_one_line(
    tmp_path: Path, name: str, value: str
) -> None:
    file = tmp_path / "bad.json"
    said = {key: value if key == name else "0.5" for key in ("bpp", "psnr", "ms_ssim")}
    results = f'"bpp": [0.1, {said["bpp"]}], "psnr": [30, {said["psnr"]}], "ms-ssim": [0.5, {said["ms_ssim"]}]'
    file.write_text(f'{{"name": "a", "results": {{{results}}}}}')
    with pytest.raises(ReportError, match=rf"bad\.json, a, entry 2: {name} is .*; a finite number is needed") as error:
        read(file)
    assert len(str(error.value)) < len(str(file)) + 150


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{}", "not a CompressAI"),
        ("a.json", "3", "not a CompressAI"),
        ("a.json", "no json", "not JSON"),
        ("a.json", "[" * 100_000, "not JSON: .*recursion"),
        ("a.json", '{"name": "a", "results": {"bpp": [1], "psnr": [30], "bpp": [2]}}', "'bpp' is there twice"),
        ("a.csv", "codec,bpp,psnr,bpp\nL,1,30,2\n", "two columns of its first line have one name"),
        ("a.csv", "codec,bpp\nx,1\n", "no column psnr"),
        ("a.csv", "", "no column codec, bpp, psnr"),
        ("a.csv", "codec,bpp,psnr\n\x00", "line 2|not a table"),
    ],
)
def test_another_layout_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(ReportError, match=message):
        read(file)


def test_a_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"nowhere\.csv"):
        read(tmp_path / "nowhere.csv")
    (tmp_path / "latin.csv").write_bytes(b"codec,bpp,psnr\n\xe9,1,30\n")
    with pytest.raises(ReportError, match=r"latin\.csv: not UTF-8"):
        read(tmp_path / "latin.csv")


def test_the_pages_data_is_strict_json_whatever_the_rows_hold(hostile_run: Run, tmp_path: Path) -> None:
    assert any(math.isinf(row.psnr or 0) for row in hostile_run.rows())
    html = page.render(hostile_run.path, tmp_path).read_text("utf-8")
    data = html.partition('type="application/json"')[2].partition(">")[2].partition("</script>")[0]
    assert json.loads(data, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["title"]


def test_the_curves_on_kodak_come_with_the_project() -> None:
    curves = named("kodak")
    assert [curve.name for curve in curves[:4]] == ["BPG 4:4:4 (x265)", "HEVC (HM)", "VVC (VTM)", "AV1 (aom)"]
    for curve in curves:
        assert ", commit " in curve.source
        rates = [point.bpp for point in curve.points]
        values = [point.psnr for point in curve.points if point.psnr is not None]
        assert rates == sorted(rates)
        assert values == sorted(values)
        assert len(values) == len(rates) >= 5
        assert all(0.03 < rate < 5 for rate in rates)
        assert all(20 < value < 50 for value in values)
        assert all(point.ms_ssim is None or 0.7 < point.ms_ssim < 1 for point in curve.points)
    sources = tomllib.loads(published_kodak.FILE.read_text("utf-8"))["source"]
    assert all(set(source) == {"name", "url", "version", "licence"} for source in sources.values())
    gain = bd_rate(curves[0], curves[2], "psnr").percent
    assert gain is not None
    assert -25 < gain < -10


def test_some_of_them_by_words_and_a_file_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [curve.name for curve in named("kodak:vvc, AV1")] == ["VVC (VTM)", "AV1 (aom)"]
    with pytest.raises(ReportError, match=r"has 'vcc' in its name; there are: BPG 4:4:4 \(x265\), HEVC"):
        named("kodak:vcc")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kodak").mkdir()
    with pytest.raises(ReportError, match=r"no \.json files"):
        named("./kodak")
    with pytest.raises(ReportError, match=r"no \.json files"):
        named(Path("kodak"))
    assert named(None) == []


def test_the_page_draws_a_few_and_says_of_which_images_they_are(run: Run, tmp_path: Path) -> None:
    html = page.render(run.path, tmp_path, published="kodak").read_text("utf-8")
    ticked = re.findall(r'value="\d+"( checked)?> ([^<]+)</label>', html)
    assert [bool(checked) for checked, _ in ticked] == [True] * 8 + [False] * (len(ticked) - 8)
    assert len(ticked) == len(named("kodak"))
    assert "as means over Kodak&#39;s 24 photographs; ours are over 4 images of photographs." in html
