"""Files at addresses: from a server on this machine, checked, kept once, and with a remedy where there is none."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from isorate.datasets import download
from isorate.datasets.manifest import DatasetManifest, ManifestFile
from isorate.datasets.registry import open_dataset
from isorate.errors import DatasetError
from isorate.files.plain import LARGEST_PICTURE

from .conftest import SHA, sha256, tar_of, written


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, counts what is asked for, and sends some requests elsewhere."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/to-file/"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(classes: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a server of the folder `classes`, and what was asked of it."""
    asked: list[str] = []
    handler = type("Own", (Handler,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(classes))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", asked
        httpd.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine's stands between a test and its own server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_files_are_downloaded_once_and_checked(server: tuple[str, list[str]], classes: Path, tmp_path: Path) -> None:
    base, asked = server
    tar_of(classes / "all.tar", classes / "things")
    lines = [f"{name},{sha256(classes / name)},{base}/{name}" for name in ("people/one.png", "all.tar")]
    table = written(tmp_path, "set.csv", "\n".join(["path,sha256,url", *lines]))
    dataset = open_dataset(str(table), tmp_path / "cache")
    assert [source.name for source in dataset.sources] == ["people/one", "all.tar/one", "two"]
    assert dataset.sources[0].file_name == "people/one.png"
    assert all(source.load().pixels.size for source in dataset.sources)
    assert asked == ["/people/one.png", "/all.tar"]
    assert open_dataset(str(table), tmp_path / "cache").sources == dataset.sources
    assert len(asked) == 2
    # a copy in the data set's own folder comes first
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "one.png").write_bytes((classes / "people" / "one.png").read_bytes())
    assert open_dataset(str(table), tmp_path / "cache").sources[0].path == tmp_path / "people" / "one.png"


def test_mirrors_are_tried_in_turn(server: tuple[str, list[str]], classes: Path, tmp_path: Path) -> None:
    base, asked = server
    (classes / "a b").mkdir()
    picture = (classes / "things" / "two.png").rename(classes / "a b" / "zwei 2.png")
    head = f'mirrors = ["{base}/none/{{file}}", "{base}/{{file}}"]\n'
    file = f'[[file]]\npath = "a b/zwei 2.png"\nsha256 = "{sha256(picture)}"\n'
    dataset = open_dataset(str(written(tmp_path, "set.toml", head + file)), tmp_path / "cache")
    assert dataset.sources[0].load().pixels.shape == (64, 96, 3)
    assert asked == ["/none/a%20b/zwei%202.png", "/a%20b/zwei%202.png"]


def test_a_mirrors_address_is_text_and_no_format() -> None:
    assert download._address("https://x.org/{number}/{file.__class__}/{file}", "a/kodim07.png") == (
        "https://x.org/7/{file.__class__}/a/kodim07.png"
    )


def test_a_download_that_is_another_file_is_refused(server: tuple[str, list[str]], tmp_path: Path) -> None:
    base, _ = server
    table = written(tmp_path, "set.csv", f"path,sha256,url\na.png,{SHA},{base}/things/two.png\n")
    with pytest.raises(DatasetError, match=r"a\.png could not be downloaded:\n.*does not match.*\nRemedy: try again"):
        open_dataset(str(table), tmp_path / "cache")
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


@pytest.mark.parametrize("place", ["nothing/here.png", "to-file/a.png"])
def test_what_a_server_does_not_have_is_told(place: str, server: tuple[str, list[str]], tmp_path: Path) -> None:
    base, _ = server
    table = written(tmp_path, "set.csv", f"path,sha256,url\na.png,{SHA},{base}/{place}\n")
    with pytest.raises(DatasetError, match=rf"set: a\.png could not be downloaded:\n  {base}/{place}: "):
        open_dataset(str(table), tmp_path / "cache")


def test_a_server_that_sends_without_end_is_left(
    server: tuple[str, list[str]], classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, _ = server
    picture = classes / "things" / "two.png"
    monkeypatch.setattr(download, "LARGEST_PICTURE", picture.stat().st_size - 1)
    table = written(tmp_path, "set.csv", f"path,sha256,url\na.png,{sha256(picture)},{base}/things/two.png\n")
    with pytest.raises(DatasetError, match="sends more bytes than such a file may have"):
        open_dataset(str(table), tmp_path / "cache")
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    monkeypatch.setattr(download, "LARGEST_PICTURE", picture.stat().st_size)
    assert open_dataset(str(table), tmp_path / "cache").sources[0].load().pixels.shape == (64, 96, 3)


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/a.png"  # where nobody listens
    table = written(tmp_path, "set.csv", f"path,sha256,url\na.png,{SHA},{url}\n")
    with pytest.raises(DatasetError) as error:
        open_dataset(str(table), tmp_path / "cache")
    assert f"  {url}: cannot be reached\nRemedy: try again when there is a network, or put the files into" in str(
        error.value
    )
    assert str(tmp_path) in str(error.value)


def test_a_user_without_a_home_is_told_where_downloads_could_go(tmp_path: Path) -> None:
    table = written(tmp_path, "set.csv", f"path,sha256,url\na.png,{SHA},https://x.org/a.png\n")
    with pytest.raises(DatasetError, match=r"1 of 1 files missing .* ISORATE_CACHE_DIR"):
        open_dataset(str(table), None)


def test_the_limit_of_a_tar_is_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limits = []
    monkeypatch.setattr(download, "_retrieve", lambda *given: limits.append(given[-1]))
    files = [(ManifestFile(name, SHA, "", "https://x.org/a"), tmp_path / name) for name in ("a.png", "a.tar")]
    download.download(DatasetManifest("mine", tmp_path, tuple(file for file, _ in files)), files, "")
    assert limits == [LARGEST_PICTURE, download.LARGEST_TAR]
