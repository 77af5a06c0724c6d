"""The KLT warm start: before any training, the network is a block-transform codec that beats JPEG at high rates."""

import io

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from skimage import data as photographs

from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.coding.picture import PictureEncoder, read_picture
from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.tools.export import weights_of
from isorate.codecs.learned.training.klt_init import klt_warm_start, principal_components
from isorate.metrics import psnr

COMPLETE = ModelConfig(
    name="complete",
    fine_channels=192,
    coarse_channels=768,
    latent_channels=768,
    hyper_channels=8,
    encoder_fine_blocks=0,
    encoder_coarse_blocks=0,
    decoder_coarse_blocks=0,
    decoder_fine_blocks=0,
    prior_channels=128,
)
"""Every component of a 16×16 patch is kept, so that the rate has no ceiling."""


def crops(*images: NDArray[np.uint8], count: int, size: int) -> torch.Tensor:
    rng = np.random.default_rng(0)
    patches = []
    for image in images:
        for _ in range(count):
            top, left = rng.integers(image.shape[0] - size), rng.integers(image.shape[1] - size)
            patches.append(image[top : top + size, left : left + size])
    return torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def warm() -> ConditionalAutoencoder:
    torch.manual_seed(0)
    model = ConditionalAutoencoder(COMPLETE).eval()
    klt_warm_start(model, crops(photographs.coffee(), photographs.chelsea(), photographs.rocket(), count=64, size=64))
    return model


def test_principal_components_decorrelate() -> None:
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(4000, 6, generator=generator) @ torch.randn(6, 6, generator=generator)
    basis, deviation = principal_components(data)
    torch.testing.assert_close(basis @ basis.t(), torch.eye(6, dtype=torch.float64))
    rotated = data.double() @ basis.t()
    torch.testing.assert_close(rotated.t() @ rotated / 4000, torch.diag(deviation**2), atol=1e-8, rtol=1e-6)
    assert bool((deviation.diff() <= 0).all())


def test_the_untrained_transforms_are_inverse_and_orthonormal(warm: ConditionalAutoencoder) -> None:
    x = crops(photographs.astronaut(), count=1, size=128)
    lmbda = torch.tensor([1e-3])
    with torch.no_grad():
        y = warm.analysis(x, lmbda)
        features = torch.zeros(1, COMPLETE.prior_channels, 4, 4)
        torch.testing.assert_close(warm.synthesis(y, features, lmbda), x, atol=1e-3, rtol=0)
        gain = warm.analysis_net.leave.scale(warm.h(lmbda))[0, 0]
        assert float((y / gain).square().sum()) == pytest.approx(float((x - 0.5).square().sum()), rel=1e-3)


def test_every_residual_branch_is_silent_at_the_start() -> None:
    for separable in (False, True):
        config = ModelConfig(fine_channels=32, coarse_channels=48, latent_channels=48, separable=separable)
        model = ConditionalAutoencoder(config)
        for blocks in (model.analysis_net.fine, model.synthesis_net.coarse):
            channels = 32 if blocks is model.analysis_net.fine else 48
            x = torch.randn(1, channels, 4, 4)
            torch.testing.assert_close(blocks(x, model.h(torch.tensor([0.01]))), x)


@pytest.mark.slow
def test_the_untrained_codec_beats_jpeg_at_high_rate(
    warm: ConditionalAutoencoder, astronaut: NDArray[np.uint8]
) -> None:
    picture = np.ascontiguousarray(astronaut[:320, 64:384])
    buffer = io.BytesIO()
    PillowImage.fromarray(picture).save(buffer, "JPEG", quality=100)
    jpeg = np.asarray(PillowImage.open(buffer))
    network = Network(weights_of(warm, {}, {}))
    encoder = PictureEncoder(network, picture)
    for bin_size in (0.5, 0.6, 0.7, 0.8, 1.0):
        stream = encoder.code(KnobCodes.nearest(1e-4, bin_size, COMPLETE.knots)).data
        if len(stream) <= len(buffer.getvalue()):
            break
    assert len(stream) <= len(buffer.getvalue())
    ours = read_picture(network, stream)
    assert psnr(picture, ours) > psnr(picture, jpeg) + 0.5
