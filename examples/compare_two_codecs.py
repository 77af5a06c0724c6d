"""Match JPEG2000 to a JPEG file's size on one photograph, and compare.

Run with: python examples/compare_two_codecs.py
"""

from skimage.data import astronaut

import isorate
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.metrics import bpp, ms_ssim, psnr

image = astronaut()
jpeg = Jpeg(mode="integer")
anchor = jpeg.encode(image, 20)
data, found = isorate.match(Jpeg2000(), image, bpp(len(anchor), image))
print(f"matched in {len(found.trace)} encodes, {found.residual_pct:+.2f} % off")
for codec, stream in ((jpeg, anchor), (Jpeg2000(), data)):
    decoded = codec.decode(stream)
    print(
        f"{codec.label:9} {bpp(len(stream), image):.4f} bpp",
        f"{psnr(image, decoded):.2f} dB",
        f"{ms_ssim(image, decoded):.4f}",
    )
