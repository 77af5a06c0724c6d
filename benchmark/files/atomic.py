"""Writing files whole or not at all."""

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from isorate.errors import RunError
from isorate.files.plain import is_handle
from isorate.files.standard_output import open_output


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write `data` to `path` so that a reader, or a kill at any moment, sees the old file or the new one.

    Parameters
    ----------
    path
        The file; its folder is made when missing.
    data
        The whole content.
    durable
        Whether the bytes must be on the disk before the name is (a power cut, not only a kill).

    Raises
    ------
    RunError
        When the folder is read-only, full or missing.
    """
    try:
        if path.is_block_device() or path.is_char_device():
            raise OSError(errno.ENOTSUP, "a device is not replaced by a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(data)
                if durable:
                    out.flush()
                    os.fsync(out.fileno())
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written: {error.strerror or error}; choose a folder with room and rights"
        ) from None


def write_output(path: Path, data: bytes) -> None:
    """Write `data` to a file that the user names: whole or not at all, or into a device or a pipe.

    ``/dev/null`` and ``/dev/stdout`` are no files to be replaced: the superuser's would be gone for everybody.

    Raises
    ------
    RunError
        When it cannot be written.
    """
    try:
        replaceable = not path.exists() or path.is_dir() or (path.is_file() and not is_handle(path))
        if not replaceable:
            with open_output(path) as out:
                out.write(data)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from None
    if replaceable:
        write_bytes(path, data)


def _umask() -> int:
    """Return the process's umask, which the system only tells by setting it; a temporary file ignores it."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
        return int(status.partition("Umask:")[2].split()[0], 8)
    except (OSError, IndexError, ValueError):
        mask = os.umask(0o077)
        os.umask(mask)
        return mask


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write `value` as indented strict JSON; see :func:`write_bytes`."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode(), durable=durable)
