"""``isorate decode``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.streams import stream_of
from isorate.errors import UsageError

LOSSLESS = {".png": "PNG", ".bmp": "BMP", ".ppm": "PPM", ".tif": "TIFF", ".tiff": "TIFF"}


def decode(
    stream: Path,
    out: Path,
    /,
    *,
    codec: Annotated[str | None, Parameter(name=["--codec", "-c"])] = None,
    config: Path | None = None,
    json: bool = False,
) -> None:
    """Decode a file to a lossless image.

    Examples
    --------
    ```
    isorate decode photo.bpg out.png
    isorate decode photo.bin out.png --codec jpeg
    isorate decode photo.iso out.png --json
    ```

    Parameters
    ----------
    stream
        The compressed file.
    out
        The image to write: PNG, BMP, PPM or TIFF.
    codec
        The codec; the file's ending chooses it by default.
    config
        The configuration with `[codec.…]` tables; `isorate.toml` of this folder by default, where there is one.
    json
        Print file, size, bpp, back end and, of learned codecs, the bits of each part of the stream as a JSON object.
    """
    import json as json_module

    from isorate.cli.config import use_codecs
    from isorate.codecs.base import backend_of, decoded_by
    from isorate.codecs.registry import at_work, codec_for
    from isorate.files.atomic import write_output
    from isorate.pictures.files import save_picture

    file_format = LOSSLESS.get(out.suffix.lower())
    if file_format is None:
        raise UsageError(f"{out}: a decoded image is written as {', '.join(LOSSLESS)}")
    if out.exists() and stream.exists() and out.samefile(stream):
        raise UsageError(f"{out}: is the file to decode itself; name another file to write")
    use_codecs(config)
    adapter = codec_for(stream, codec)
    with stream_of(stream) as data, at_work(adapter):
        pixels = decoded_by(adapter, data)
        backend = backend_of(adapter)
        height, width = pixels.shape[:2]
        if json:
            said = {"file": str(out), "width": width, "height": height, "bytes": len(data)}
            said |= {"bpp": 8 * len(data) / (height * width), "backend": backend}
            text = json_module.dumps(said | {"bits_by_part": adapter.bits_by_part(data)})
        else:
            text = f"{out}: {width}×{height} [{backend}]"
    write_output(out, save_picture(pixels, file_format))
    print(text)
