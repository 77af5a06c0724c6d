"""A file that ends early is told, wherever it ends. BPG and the codecs with own files have tests beside them."""

import numpy as np
import pytest

from isorate.codecs.registry import CodecSpec
from isorate.errors import BitstreamError
from isorate.image import Image


@pytest.mark.parametrize(("spec", "knob"), [
    ("jpeg", 40), ("jpeg:progressive=true", 40), ("webp", 40), ("avif", 60), ("jpeg2000:container=jp2", 20),
])  # fmt: skip
def test_at_every_byte(spec: str, knob: float, astronaut: Image) -> None:
    codec = CodecSpec.parse(spec).create()
    data = codec.encode(np.ascontiguousarray(astronaut[100:132, 200:248]), knob)
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            codec.decode(data[:length])
