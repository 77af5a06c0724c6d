"""Whether the convolutions of a training step run in bfloat16."""

from typing import Literal, TypeAlias

import torch

Precision: TypeAlias = Literal["auto", "bf16", "fp32"]
"""`auto` is bfloat16 where the hardware multiplies it (CUDA; a CPU with AVX512-BF16 or AMX), and fp32 elsewhere: on a
CPU that only emulates it bfloat16 is slower. The integers' grids (`fake_quantize`) are too fine for it: with them a CPU
keeps all in fp32, and a GPU the priors' convolutions alone.
"""


def in_bfloat16(precision: Precision, device: torch.device, fake_quantize: bool) -> bool:
    """Return whether convolutions run in bfloat16 on `device` under a recipe's `precision` and `fake_quantize`."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cpu":
        return not fake_quantize and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
