"""From a stream's content to the picture."""

import numpy as np
import torch

from isorate.codecs.overfitted.bitstream.stream import Content
from isorate.codecs.overfitted.model import decoder
from isorate.codecs.overfitted.model.structure import grids
from isorate.image import Image


@torch.no_grad()
def picture_of(content: Content, device: torch.device) -> Image:
    """Return the picture of a stream, (height, width, 3) uint8; machines may differ by one level.

    In PyTorch on every device: to load the kernels takes longer than they would save.
    """
    params = {name: torch.from_numpy(value).to(device, torch.float32) for name, value in content.params.items()}
    latents = [torch.from_numpy(y).to(device, torch.float32) for y in content.latents]
    found = decoder.picture(latents, grids(content.height, content.width), params)
    pixels = found.clamp_(0, 1).mul_(255).round_().to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.cpu().numpy())
