import os
import stat
from pathlib import Path

import pytest

from isorate.errors import RunError
from isorate.files.atomic import write_bytes, write_output


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_a_file_has_the_rights_that_the_umask_leaves(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_bytes(tmp_path / "file", b"text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_bytes(tmp_path / "file" / "below", b"")


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_output(pipe, b"text")
        assert os.read(reader, 9) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_device_stays_one(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.write_bytes(b"")
    except OSError:
        pytest.skip("needs the right to make a device")
    write_output(device, b"text")
    with pytest.raises(RunError, match="a device is not replaced"):
        write_bytes(device, b"text")
    assert device.is_char_device()
    assert sorted(tmp_path.iterdir()) == [device]


def test_what_stdout_leads_to_is_not_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "redirected", tmp_path / "stdout"
    with target.open("wb") as handle:
        link.symlink_to(f"/proc/self/fd/{handle.fileno()}")
        if not link.exists():
            pytest.skip("needs /proc")
        write_output(link, b"text")
    assert target.read_bytes() == b"text"
    assert link.is_symlink()


def test_a_users_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_output(tmp_path / "new" / "file", b"text")
    assert (tmp_path / "new" / "file").read_bytes() == b"text"
    with pytest.raises(RunError, match="cannot be written"):
        write_output(tmp_path, b"")
