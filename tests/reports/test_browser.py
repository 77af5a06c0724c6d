"""The page in a real browser, opened from disk."""

import base64
import io
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image as PillowImage

from isorate.metrics import psnr
from isorate.reports import frames
from isorate.reports import page as pages
from isorate.reports.crops import Box, boxes, pins
from isorate.reports.results import Comparison
from isorate.runs.folder import Run
from isorate.runs.manifest import Manifest
from isorate.runs.row import Row

from .conftest import HOSTILE, Watched, eventually, fragment, settle

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "data" / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def address(run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    published = tmp_path_factory.mktemp("published") / "curves.csv"
    published.write_text("codec,bpp,psnr_rgb,ms_ssim,source\nOther,0.2,30,0.95,a paper\nOther,0.6,34,0.98,a paper\n")
    return pages.render(run.path, tmp_path_factory.mktemp("page"), published=published).as_uri()


def position(page: Any) -> list[float]:
    return [float(value) for value in fragment(page)["at"].split(",")]


def open_view(watched: Watched, address: str, **state: object) -> Any:
    query = "&".join(
        f"{name}={value}" for name, value in {"view": "astronaut", "point": "webp-quality10", **state}.items()
    )
    page = watched.open(f"{address}#{query}")
    page.wait_for_function(
        "() => document.getElementById('viewer').open"
        " && [...document.querySelectorAll('#stage img')].every((image) => image.complete)"
    )
    return page


def rows_of(run: Run, point: str = "webp-quality10") -> dict[str, Row]:
    return {row.codec: row for row in run.rows() if row.image == "astronaut" and row.point == point}


def test_opens_at_once_and_asks_nobody(watched: Watched, address: str) -> None:
    page = watched.open(address)
    for place in range(0, page.evaluate("document.body.scrollHeight"), 700):
        page.evaluate(f"scrollTo(0, {place})")
        page.wait_for_timeout(20)
    assert (
        page.evaluate(
            "[...document.images].filter((image) => image.complete && !image.naturalWidth && image.src).length"
        )
        == 0
    )


def test_boxes_lie_on_the_right_pixels(watched: Watched, address: str, run: Run) -> None:
    page = watched.open(address)
    comparison = Comparison(run)
    info = comparison.images[0]
    frames = {row.codec: run.read_image(row.decoded) for row in rows_of(run).values()}
    expected = boxes(comparison, info, pins(run.path), list(frames.values()))
    page.evaluate("document.querySelector('#image-0').scrollIntoView()")
    picture = page.locator("#image-0 .full img").bounding_box()
    scale = picture["width"] / info.width
    for index, box in enumerate(expected):
        rect = page.evaluate(
            f"document.querySelector('#image-0 rect[data-box=\"{index}\"]').getBoundingClientRect().toJSON()"
        )
        for value, wanted in (
            (rect["x"] - picture["x"], box.x),
            (rect["y"] - picture["y"], box.y),
            (rect["width"], box.width),
            (rect["height"], box.height),
        ):
            assert value == pytest.approx(wanted * scale, abs=2.5)
    # and the crops show exactly the pixels inside them
    sources = page.evaluate(
        "[...document.querySelectorAll('#image-0 .point:not([hidden]) .crop img')].map((image) => image.src)"
    )
    columns = [run.original(info.name), *(frames[column.codec] for column in comparison.columns)]
    for source, (box, frame) in zip(sources, [(box, frame) for box in expected for frame in columns], strict=True):
        assert np.array_equal(decode(source), box.of(frame))


def decode(url: str) -> Any:
    with PillowImage.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) as picture:
        return np.asarray(picture.convert("RGB"))


def test_one_operating_point_at_a_time(watched: Watched, address: str) -> None:
    page = watched.open(address)
    assert page.locator("#summary .summary:visible").count() == 1
    page.select_option("#level", "2")
    eventually(page, lambda: page.locator("#image-0 .crops:visible caption").all_text_contents(), ["webp-quality55"])
    assert page.locator("#summary .summary:visible caption").inner_text().startswith("webp-quality55")


def test_plots_show_values_switch_axis_and_open_images(watched: Watched, address: str) -> None:
    page = watched.open(address)
    where = page.evaluate("""() => {
      const chart = isorate.plots.charts[0], [rates, , values] = chart.data;
      const at = values.findIndex((value) => value != null), left = chart.over.getBoundingClientRect().left;
      return [left + chart.valToPos(rates[at], "x"), chart.valToPos(values[at], "y")];
    }""")
    page.evaluate("document.querySelector('#plot-psnr').scrollIntoView({block: 'center'})")
    top = page.evaluate("document.querySelector('#plot-psnr .u-over').getBoundingClientRect().top")
    page.mouse.move(where[0], top + where[1])
    eventually(page, lambda: "JPEG2000\n" in page.locator(".tip").inner_text())
    page.locator("#log-rate").check()
    page.locator("#curves .menu summary").click()
    page.locator("#published input").check()
    eventually(page, lambda: "Other (published)" in page.locator("#legend").inner_text())
    page.locator("#log-rate").uncheck()
    page.locator("#published input").uncheck()
    values = "() => isorate.plots.charts[1].data.slice(1).flat().filter((value) => value != null)"
    plain = page.evaluate(values)
    page.locator("#decibels").check()
    assert page.evaluate(values) == pytest.approx([-10 * math.log10(1 - value) for value in plain])
    assert "MS-SSIM, dB" in page.locator("#curves").inner_text()
    page.locator("#decibels").uncheck()
    page.locator("#curves .menu summary").click()
    top = page.evaluate("document.querySelector('#plot-psnr .u-over').getBoundingClientRect().top")
    page.mouse.click(where[0], top + where[1])
    eventually(page, lambda: fragment(page).get("codec"), "jpeg2000")


def test_a_further_metric_has_its_plot(watched: Watched, run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    entry = {"name": "half of psnr", "label": "Half of PSNR", "unit": "dB", "digits": 1}
    made = Run.create(tmp_path / "run", Manifest.from_json({**run.manifest.to_json(), "more_metrics": [entry]}))
    for row in run.rows():
        made.write_row(replace(row, metrics={"half of psnr": None if row.psnr is None else row.psnr / 2}))
    opened = watched.open(pages.render(made).as_uri())
    drawn = "isorate.plots.charts.map((chart) => chart.data.slice(1).map((line) => line.filter((v) => v != null)))"
    means = opened.evaluate(drawn)
    assert len(means) == 3
    assert means[2] == [pytest.approx([value / 2 for value in line]) for line in means[0]]
    opened.select_option("#curve-of", "0")
    of_image = opened.evaluate(drawn)
    assert of_image[2] == [pytest.approx([value / 2 for value in line]) for line in of_image[0]]
    assert of_image[0] != means[0]
    assert opened.locator("#plot-more-0 canvas").count() == 1


def test_flip_keys_change_the_codec_in_place(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.locator("#image-0 .point:not([hidden]) .crop").nth(2).click()
    page.wait_for_function("document.getElementById('viewer').open && location.hash")
    for key, codec, label in (("1", "", "Ground truth"), ("2", "webp", "WebP"), ("4", "jpeg", "JPEG")):
        page.keyboard.press(key)
        eventually(page, lambda codec=codec: fragment(page)["codec"], codec)  # type: ignore[misc]
        eventually(page, page.locator("#stage .tab").all_inner_texts, [label])
        assert page.locator("#stage .card:visible").count() == 1
    page.keyboard.press("x")
    eventually(page, lambda: fragment(page)["codec"], "webp")
    page.keyboard.press("Escape")
    eventually(page, lambda: page.evaluate("document.getElementById('viewer').open"), False)
    eventually(page, lambda: page.evaluate("location.hash"), "")
    eventually(page, lambda: page.evaluate("document.activeElement.className"), "crop")


def test_zoom_and_pan_are_locked_and_end_at_16(watched: Watched, address: str) -> None:
    page = open_view(watched, address, mode="side")
    for _ in range(9):
        page.keyboard.press("+")
    eventually(page, lambda: fragment(page).get("zoom"), "16")
    stage = page.locator("#stage").bounding_box()
    page.mouse.move(stage["x"] + 100, stage["y"] + 100)
    page.mouse.down()
    page.mouse.move(stage["x"] + 180, stage["y"] + 132, steps=4)
    page.mouse.up()
    eventually(page, lambda: position(page), pytest.approx([128 - 80 / 16, 128 - 32 / 16], abs=0.2))
    transforms = page.evaluate("[...document.querySelectorAll('#stage .layer')].map((layer) => layer.style.transform)")
    assert len(transforms) == 4
    assert len(set(transforms)) == 1
    assert page.evaluate("getComputedStyle(document.querySelector('#stage img')).imageRendering") == "pixelated"
    page.keyboard.press("0")
    eventually(page, lambda: "zoom" in fragment(page), False)


def test_the_wheel_keeps_the_pixel_under_the_pointer(watched: Watched, address: str) -> None:
    page = open_view(watched, address, zoom=4, at="128,128")
    stage = page.locator("#stage").bounding_box()
    x, y = stage["x"] + stage["width"] / 2 + 200, stage["y"] + stage["height"] / 2 + 100
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    eventually(page, lambda: float(fragment(page)["zoom"]) > 6)
    zoom, at = float(fragment(page)["zoom"]), position(page)
    assert at[0] + 200 / zoom == pytest.approx(128 + 200 / 4, abs=0.3)
    assert at[1] + 100 / zoom == pytest.approx(128 + 100 / 4, abs=0.3)


def test_the_slider_moves_by_hand_and_by_key(watched: Watched, address: str) -> None:
    page = open_view(watched, address, mode="swipe", codec="jpeg", left="webp", zoom=6, at="128,128")
    slider = page.locator("img-comparison-slider")
    box = slider.bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + box["width"] / 4, middle[1], steps=4)
    page.mouse.up()
    eventually(page, lambda: slider.evaluate("(node) => node.value"), pytest.approx(75, abs=1))
    settle(page)
    assert fragment(page)["at"] == "128,128"  # the handle slides, the picture stays
    slider.focus()
    page.keyboard.down("ArrowLeft")
    eventually(page, lambda: float(slider.get_attribute("aria-valuenow")) < 74)
    page.keyboard.up("ArrowLeft")
    assert page.locator("#stage .tab").all_inner_texts() == ["WebP", "JPEG"]


def canvas_pixels(page: Any) -> Any:
    url = page.evaluate("document.querySelector('#stage .card:not([hidden]) canvas').toDataURL()")
    return decode(url).astype(int)


def test_maps_show_the_errors_of_the_decoded_pixels(watched: Watched, address: str, run: Run) -> None:
    page = open_view(watched, address, codec="jpeg", map="signed", gain=4)
    page.wait_for_function("() => document.querySelector('#stage .card:not([hidden]) canvas')?.width === 256")
    original, decoded = run.original("astronaut").astype(int), run.read_image(rows_of(run)["jpeg"].decoded).astype(int)
    signed = np.clip(128 + 4 * (decoded - original), 0, 255)
    eventually(page, lambda: np.array_equal(canvas_pixels(page), signed))
    page.select_option("#viewer-map", "abs")
    error = np.minimum(255, 4 * abs(decoded - original).max(axis=2))

    def grows_with_the_error() -> bool:
        heat = canvas_pixels(page)
        if heat.shape != signed.shape or heat.std() == 0 or np.array_equal(heat, signed):
            return False  # not drawn yet
        one_colour = len({tuple(colour) for colour in heat[error == 0]}) == 1
        return one_colour and bool(np.corrcoef(heat.sum(axis=2).ravel(), error.ravel())[0, 1] > 0.95)

    eventually(page, grows_with_the_error)


def test_flip_is_the_published_flip(watched: Watched, address: str) -> None:
    # what the authors' flip-evaluator 1.7 gives for these two pictures
    mean, largest, inside, corner = 0.403295, 0.616156, 0.393605, 0.556546
    reference = skimage.data.astronaut()[0:96, 150:246]
    opaque = [np.dstack([image, np.full((96, 96), 255, np.uint8)]) for image in (reference, reference // 48 * 48)]
    found = watched.open(address).evaluate(
        "(both) => [...isorate.flipMap(...both.map((data) => new ImageData(new Uint8ClampedArray(data), 96, 96)))]",
        [image.ravel().tolist() for image in opaque],
    )
    error = np.array(found).reshape(96, 96)
    assert [error.mean(), error.max(), error[40, 50], error[10, 10]] == pytest.approx(
        [mean, largest, inside, corner], abs=2e-4
    )


def test_a_drawn_box_becomes_crops_with_local_psnr_and_toml(watched: Watched, address: str, run: Run) -> None:
    page = open_view(watched, address, zoom=6, at="128,128")
    page.keyboard.press("b")
    stage = page.locator("#stage").bounding_box()
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(x - 120, y - 60)
    page.mouse.down()
    page.mouse.move(x + 180, y + 132, steps=3)
    page.mouse.up()
    page.wait_for_function(
        "() => { const nodes = [...document.querySelectorAll('#box-crops .value')];"
        " return nodes.length && nodes.every((node) => !node.textContent.includes('…')); }"
    )
    x, y, width, height = map(int, fragment(page)["box"].split(","))
    box = Box("box", "astronaut", x, y, width, height, zoom=5)
    assert (box.x, box.y) == pytest.approx((108, 118), abs=1)
    assert (box.width, box.height) == pytest.approx((50, 32), abs=1)
    assert page.locator("#box-toml").input_value() == box.toml()
    for column, codec in enumerate(["webp", "jpeg2000", "jpeg"], start=1):
        expected = psnr(box.of(run.original("astronaut")), box.of(run.read_image(rows_of(run)[codec].decoded)))
        assert f"{expected:.2f} dB" in page.locator("#box-crops .value").nth(column).inner_text()
    page.locator("#box-width").fill("16")
    page.locator("#box-width").press("Enter")
    eventually(page, lambda: fragment(page)["box"].split(",")[2], "16")
    page.locator("#box-remove").click()
    eventually(page, lambda: "box" in fragment(page), False)


def test_without_the_pixel_scripts_the_pictures_stay(browser: Any, run: Run, tmp_path: Path) -> None:
    index = pages.render(run.path, tmp_path)
    shutil.rmtree(tmp_path / "frames")
    one = Watched(browser)
    page = open_view(one, index.as_uri(), codec="jpeg", map="abs", box="10,10,20,20")
    eventually(page, lambda: "is missing" in page.locator("#viewer-status").inner_text())
    eventually(page, lambda: "is missing" in page.locator("#box-crops .value").nth(2).inner_text())
    eventually(page, lambda: page.evaluate("document.querySelector('#stage img').naturalWidth > 0"))
    assert all("ERR_FILE_NOT_FOUND" in error or "frames/" in error for error in one.errors)
    one.context.close()


def test_the_viewer_shows_the_preview_and_then_the_lossless_frame(watched: Watched, address: str, run: Run) -> None:
    page = open_view(watched, address, codec="jpeg")
    picture = page.locator("#stage img[alt='astronaut, JPEG']")
    eventually(page, lambda: picture.get_attribute("src").partition(",")[0], "data:image/webp;base64")
    data = base64.b64decode(picture.get_attribute("src").partition(",")[2])
    assert data == (run.path / rows_of(run)["jpeg"].decoded).read_bytes()


def test_a_single_file_of_previews_says_so(
    browser: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "LOSSLESS_BUDGET", 10_000)
    one = Watched(browser)
    page = open_view(one, pages.render(run.path, tmp_path, single_file=True).as_uri(), codec="jpeg", box="10,10,20,20")
    assert "Previews: this page is a single file" in page.locator("#viewer").inner_text()
    assert page.locator("#viewer-map").is_disabled()
    eventually(page, lambda: "holds previews" in page.locator("#box-crops .value").nth(2).inner_text())
    page.keyboard.press("Escape")
    assert page.locator("#blind-start").is_disabled()
    assert "holds previews" in page.locator("#blind-result").inner_text()
    one.close()


def test_the_address_brings_a_view_back(watched: Watched, address: str) -> None:
    state = {
        "view": "chelsea",
        "point": "webp-quality30",
        "codec": "jpeg2000",
        "mode": "side",
        "side": ",webp,jpeg2000",
        "map": "abs",
        "gain": "16",
        "zoom": "5",
        "at": "120.5,80",
        "box": "10,20,30,40",
    }
    page = watched.open(address + "#" + "&".join(f"{name}={value}" for name, value in state.items()))
    page.wait_for_function("() => document.getElementById('viewer').open")
    eventually(page, page.locator("#stage .pane").count, 3)
    settle(page)
    assert fragment(page) == state


def test_traces_on_demand(watched: Watched, address: str, run: Run) -> None:
    page = watched.open(address)
    details = page.locator("#image-0 .point:not([hidden]) details.traces")
    assert details.locator("table").count() == 0
    details.locator("summary").click()
    counts = [len(row.trace) for row in rows_of(run).values()]
    eventually(page, details.locator("table").count, len(counts))
    assert [details.locator("table").nth(at).locator("tbody tr").count() for at in range(3)] == counts


def test_blind_test_hides_names_and_exports_answers(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.locator("#blind-start").click()
    page.wait_for_selector("#blind-dialog[open]")
    shown = page.locator("#blind-dialog").inner_text()
    assert not any(name in shown for name in ("WebP", "JPEG"))
    total = page.evaluate("+document.getElementById('blind-progress').textContent.split(' ').pop()")
    for at in range(total):
        page.keyboard.press("abs"[at % 3])
    eventually(page, lambda: page.evaluate("document.getElementById('blind-dialog').open"), False)
    with page.expect_download() as download:
        page.locator("#blind-save").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0] == "trial,image,point,a,b,answer,closer,seconds,bpp_a,bpp_b,seed"
    assert len(lines) == 1 + total
    for line in lines[1:]:
        *_, a, b, answer, closer, _seconds, bpp_a, bpp_b, _seed = line.split(",")
        assert closer == {"a": a, "b": b, "same": ""}[answer]
        assert float(bpp_a) / float(bpp_b) == pytest.approx(1, abs=0.02001)


def test_the_blind_test_compares_what_is_chosen(watched: Watched, address: str, run: Run) -> None:
    page = watched.open(address)
    page.select_option("#blind-one", label="JPEG2000")
    page.select_option("#blind-other", label="JPEG2000")
    assert page.locator("#blind-start").is_enabled()  # the same codec twice: with any other
    page.select_option("#blind-other", label="WebP")
    page.select_option("#blind-count", "50")
    page.locator("#blind-start").click()
    page.wait_for_selector("#blind-dialog[open]")
    total = page.evaluate("+document.getElementById('blind-progress').textContent.split(' ').pop()")
    near = [
        row for row in run.rows()
        if row.codec == "jpeg2000" and abs(math.log1p((row.residual_pct or 0) / 100)) <= math.log(1.02)
    ]  # fmt: skip
    assert total == len(near)
    for _ in range(total):
        page.keyboard.press("a")
    with page.expect_download() as download:
        page.locator("#blind-save").click()
    for line in Path(download.value.path()).read_text().splitlines()[1:]:
        assert set(line.split(",")[3:5]) == {"jpeg2000", "webp"}


def test_ms_ssim_in_decibels_is_a_switch_of_the_whole_page(watched: Watched, address: str, run: Run) -> None:
    page = watched.open(address)
    value = rows_of(run)["jpeg"].ms_ssim
    assert value is not None
    plain, in_db = f"{value:.4f}", f"{-10 * math.log10(1 - value):.2f}"
    line = page.locator("#image-0 .point:not([hidden]) .crops .numbers tr").nth(2)
    assert line.locator("td").last.text_content() == plain
    page.locator("#decibels").check()
    assert line.locator("th").text_content() == "MS-SSIM, dB"
    assert line.locator("td").last.text_content() == in_db
    assert "dB" in page.locator(".summary:visible thead tr").nth(1).inner_text().split("\t")[3]
    page.locator("#image-0 .full button").click()
    page.wait_for_selector("#viewer[open]")
    assert f", {in_db} dB" in page.locator(".chip").last.inner_text()
    page.keyboard.press("Escape")
    eventually(page, lambda: page.locator("#viewer").is_visible(), False)
    page.locator("#decibels").uncheck()
    assert line.locator("td").last.text_content() == plain


def test_the_blind_test_draws_between_two_files_around_the_rate(browser: Any, apart_run: Run, tmp_path: Path) -> None:
    one = Watched(browser)
    page = one.open(pages.render(apart_run, tmp_path).as_uri())
    page.locator("#blind-count").select_option("50")
    page.locator("#blind-start").click()
    page.wait_for_selector("#blind-dialog[open]")
    total = page.evaluate("+document.getElementById('blind-progress').textContent.split(' ').pop()")
    for _ in range(total):
        page.keyboard.press("s")
    with page.expect_download() as download:
        page.locator("#blind-save").click()
    rows = {row.key: row for row in apart_run.rows()}
    drawn = 0
    for line in Path(download.value.path()).read_text().splitlines()[1:]:
        _, image, point, a, b, _, _, _, bpp_a, bpp_b, _ = line.split(",")
        for codec, bpp in ((a, bpp_a), (b, bpp_b)):
            row = rows[image, point, codec]
            assert row.bpp is not None
            if row.neighbour and abs(math.log(row.bpp / (row.target_bpp or 0))) > math.log(1.02):
                drawn += 1
                sizes = [row.bpp, 8 * row.neighbour.num_bytes / (row.width * row.height)]
                assert any(float(bpp) == pytest.approx(size) for size in sizes)
            else:
                assert float(bpp) == pytest.approx(row.bpp)
    assert drawn
    one.close()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_axe_finds_nothing_serious(browser: Any, address: str, width: int, scheme: str) -> None:
    one = Watched(browser, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    page = one.open(address)
    page.add_script_tag(content=AXE)
    check_axe(page)
    page.locator("#image-0 .full button").click()
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("s" if width == 1440 else "d")
    settle(page)
    check_axe(page)
    one.close()


def check_axe(page: Any) -> None:
    violations = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)")
    serious = [
        (found["id"], [node["html"][:160] for node in found["nodes"]][:3])
        for found in violations
        if found["impact"] in ("serious", "critical")
    ]
    assert serious == [], json.dumps(serious, indent=1)


@pytest.mark.parametrize("width", [1440, 768, 390])
def test_nothing_is_wider_than_the_window(browser: Any, address: str, width: int) -> None:
    one = Watched(browser, viewport={"width": width, "height": 800})
    page = one.open(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#image-0 .full button").click()
    page.wait_for_selector("#viewer[open]")
    eventually(page, lambda: page.locator("#stage").bounding_box()["height"] > 150)
    settle(page)
    assert page.evaluate("document.getElementById('viewer').scrollWidth") <= width
    one.close()


def test_touch_pans_and_pinches(browser: Any, address: str) -> None:
    one = Watched(browser, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = one.open(address)
    page.locator("#image-0 .full button").tap()
    page.wait_for_selector("#viewer[open]")
    page.wait_for_function("() => [...document.querySelectorAll('#stage img')].every((image) => image.complete)")
    settle(page)
    stage = page.locator("#stage").bounding_box()
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    session = one.context.new_cdp_session(page)
    for kind, gap in (("touchStart", 20), *(("touchMove", gap) for gap in range(30, 101, 10)), ("touchEnd", None)):
        points = [] if gap is None else [{"x": x - gap, "y": y, "id": 0}, {"x": x + gap, "y": y, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    eventually(page, lambda: float(fragment(page).get("zoom", 0)) > 2)
    one.close()


def test_hostile_names_do_nothing(watched: Watched, hostile_run: Run, tmp_path: Path) -> None:
    page = watched.open(pages.render(hostile_run.path, tmp_path).as_uri())
    assert page.locator("h3").first.inner_text() != ""
    assert HOSTILE in page.locator("#image-0 h3").text_content()
    page.locator("#image-0 .full button").click()
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("d")
    eventually(page, lambda: "failed: </script>" in page.locator("#stage").inner_text())
    assert fragment(page)["view"] == HOSTILE
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(f"() => document.documentElement.scrollWidth <= {width}")


def test_single_file_shows_and_measures(watched: Watched, run: Run, tmp_path: Path) -> None:
    index = pages.render(run.path, tmp_path, single_file=True)
    page = open_view(watched, index.as_uri(), codec="jpeg", map="abs", box="10,10,20,20")
    page.wait_for_function("() => document.querySelector('#stage .card:not([hidden]) canvas')?.width === 256")
    eventually(page, lambda: "…" in "".join(page.locator("#box-crops .value").all_inner_texts()), False)
    assert all(
        not math.isnan(float(text.split()[0])) for text in page.locator("#box-crops .value").all_inner_texts()[1:]
    )
    assert {url.split("#")[0] for url in watched.requests if url.startswith("file:")} == {index.as_uri()}


def test_prints_without_the_controls(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert not page.locator("#blind").is_visible()
    assert page.pdf(format="A4")[:4] == b"%PDF"
