"""A trained model's weights in a model with more latent channels, which goes on from what the smaller one learnt.

The latent's width bounds the quality: the pictures that a decoder can make have no more dimensions than the latent has
numbers. New channels start as the principal components of what the old ones miss: of the error's best linear estimate
from the features that they do not see. What reads the new channels starts at zero, so the picture is what it was.
"""

import torch
from torch import Tensor

from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.conditioning import ConditionalConv2d, inverse_softplus
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.layers import unshuffle
from isorate.codecs.learned.model.partition import STEPS
from isorate.codecs.learned.model.priors import StepNet
from isorate.codecs.learned.model.transforms import MID_GREY, PATCH
from isorate.codecs.learned.training.klt_init import BIN_PER_ROOT_LMBDA, WHITENING, principal_components
from isorate.errors import UsageError

REFERENCE_LMBDA = 10.0**-2.5
"""λ at which the errors are looked at."""
GROWING = {
    "coarse_channels",
    "step_channels",
    "latent_channels",
    "encoder_fine_blocks",
    "encoder_coarse_blocks",
    "decoder_coarse_blocks",
    "decoder_fine_blocks",
}
RIDGE = 1e-3
POSITIONS = 4
"""Of a step's elements: the 2×2 neighbourhood (:mod:`~isorate.codecs.learned.model.partition`)."""


@torch.no_grad()
def grow(small: ConditionalAutoencoder, large: ConditionalAutoencoder, images: Tensor) -> None:
    """Give `large`, freshly built, the weights of `small`.

    Parameters
    ----------
    small
        A trained model.
    large
        A model with more coarse and latent channels; it may also have more residual blocks (they stay silent) and
        wider nets in the latent's prior. Everything else is alike.
    images
        Crops (N, 3, H, W) in [0, 1], sides multiples of 16, some thousands of 16×16 patches in all: they tell the
        new channels' directions.
    """
    check_growth(small.config, large.config)
    _copy(small, large)
    count = large.config.latent_channels - small.config.latent_channels
    if count:
        _add_latents(small, large, images, count)


def check_growth(small: ModelConfig, large: ModelConfig) -> None:
    """Raise a UsageError when a model `large` cannot go on from one of `small`; it says of `small` what is in the way.

    A model of the same shape can.
    """
    for name, (one, two) in small.differences(large).items():
        if name != "name" and not (name in GROWING and two > one):
            raise UsageError(f"its {name} is {one}, here it is {two}")
    if small.separable and large.latent_channels > small.latent_channels:
        raise UsageError("separable blocks cannot get more channels")
    if large.coarse_channels - small.coarse_channels != large.latent_channels - small.latent_channels:
        raise UsageError("as many coarse channels as latent channels must be added")


def _add_latents(small: ConditionalAutoencoder, large: ConditionalAutoencoder, images: Tensor, count: int) -> None:
    first = small.config.coarse_channels
    features, errors = _unseen(small, images)
    gram = features.t() @ features
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    estimate = torch.linalg.solve(gram + ridge, features.t() @ errors)
    basis, deviation = principal_components(features @ estimate)
    basis, deviation = basis[:count], deviation[:count]
    scale = deviation**WHITENING

    seen = _row_space(small.analysis_net.down)
    down = basis @ estimate.t()
    down -= down @ seen.t() @ seen
    rows = torch.arange(first, first + count)
    large.analysis_net.down.weight[rows, :, 0, 0] = (down / scale[:, None]).float()
    latent = _new_latents(small, large)
    bins = BIN_PER_ROOT_LMBDA * torch.sqrt(10.0 ** torch.tensor(large.config.knots, dtype=torch.float64))
    large.analysis_net.leave.weight[latent, rows, 0, 0] = scale.float()
    large.analysis_net.leave.u[latent] = inverse_softplus(1 / bins).float()
    large.synthesis_net.from_latent.weight[rows, latent, 0, 0] = (1 / scale).float()
    large.synthesis_net.from_latent.u[rows] = inverse_softplus(bins).float()

    log2_scale = torch.log2(deviation[:, None] / bins).float()
    width, old = large.config.latent_channels, small.config.latent_channels // STEPS
    for net in large.latent_prior.nets:
        assert isinstance(net, StepNet)
        by_position = net.leave.v[width:].view(POSITIONS, width // STEPS, -1)
        by_position[:, old:] = log2_scale.view(-1, STEPS, len(bins)).mean(1)


def _copy(small: ConditionalAutoencoder, large: ConditionalAutoencoder) -> None:
    """Copy every weight of `small` to its place in `large`; the rest of those convolutions is zero."""
    coarse = torch.arange(small.config.coarse_channels)
    latent = _old_latents(small, large)
    width = large.config.latent_channels
    step = latent  # a step's elements are four positions' groups, which grow as the latent's groups do
    features = torch.arange(small.config.prior_channels)
    places: dict[str, tuple[Tensor | None, Tensor | None]] = {
        "analysis_net.down": (coarse, None),
        "analysis_net.leave": (latent, coarse),
        "hyper_analysis_net.from_latent": (None, latent),
        "synthesis_net.from_latent": (coarse, latent),
        "synthesis_net.from_hyper": (torch.arange(4 * small.config.coarse_channels), None),
        "synthesis_net.up": (None, coarse),
    }
    hidden = torch.arange(small.config.step_channels or small.config.prior_channels)
    for index in range(STEPS):
        known = torch.cat([features, *(len(features) + k * width + step for k in range(index))])
        places[f"latent_prior.nets.{index}.enter"] = (hidden, known)
        places[f"latent_prior.nets.{index}.middle"] = (hidden, hidden)
        places[f"latent_prior.nets.{index}.leave"] = (torch.cat([step, width + step]), hidden)
    modules = dict(large.named_modules())
    for name, source in small.named_modules():
        if not isinstance(source, ConditionalConv2d):
            continue
        target = modules[name]
        assert isinstance(target, ConditionalConv2d)
        rows, columns = places.get(name, (None, None))
        if ".coarse.chain." in name:
            rows, columns = (None, coarse) if name.endswith("spatial") else (coarse, None)
        _put(source, target, rows, columns)
    for net in large.latent_prior.nets:
        assert isinstance(net, StepNet)
        _wake(net.enter, len(hidden))
        _wake(net.middle, len(hidden))


def _put(source: ConditionalConv2d, target: ConditionalConv2d, rows: Tensor | None, columns: Tensor | None) -> None:
    rows = torch.arange(len(source.weight)) if rows is None else rows
    columns = torch.arange(source.weight.shape[1]) if columns is None else columns
    target.weight.zero_()
    target.weight[rows[:, None], columns] = source.weight
    for name, values in source.named_parameters():
        if name != "weight":
            target.get_parameter(name)[rows] = values


def _wake(conv: ConditionalConv2d, old: int) -> None:
    """Give the outputs from `old` on random kernels; nothing reads them yet, so that nothing changes at first."""
    for row in conv.weight[old:]:
        row.normal_(0, row.numel() ** -0.5)


def _old_latents(small: ConditionalAutoencoder, large: ConditionalAutoencoder) -> Tensor:
    """Return where each latent channel of `small` goes: each of the four groups grows at its end."""
    group, new = small.config.latent_channels // STEPS, large.config.latent_channels // STEPS
    return (torch.arange(STEPS)[:, None] * new + torch.arange(group)).flatten()


def _new_latents(small: ConditionalAutoencoder, large: ConditionalAutoencoder) -> Tensor:
    """Return the latent channels that `small` lacks, dealt to the groups in turn."""
    group, new = small.config.latent_channels // STEPS, large.config.latent_channels // STEPS
    return (torch.arange(STEPS) * new + torch.arange(group, new)[:, None]).flatten()


def _row_space(conv: ConditionalConv2d) -> Tensor:
    """Return an orthonormal basis (rows) of what the 1×1 convolution `conv` sees."""
    basis: Tensor = torch.linalg.qr(conv.weight[:, :, 0, 0].double().t())[0].t()
    return basis


def _unseen(model: ConditionalAutoencoder, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the latent misses of each 16×16 patch.

    The features at 1/16 less what the analysis' next convolution sees of them, (patches, 4 · fine), and the error of
    the decoded picture, (patches, 768).
    """
    features, errors = [], []
    for image in torch.split(images, 1):
        lmbda = torch.tensor([REFERENCE_LMBDA])
        analysis, h = model.analysis_net, model.h(lmbda)
        features.append(unshuffle(analysis.fine(analysis.enter(unshuffle(image - MID_GREY, PATCH), h), h), 2))
        errors.append(unshuffle(image - model(image, lmbda, torch.ones(1)).picture, 2 * PATCH))
    seen, missed = (torch.cat(maps).permute(0, 2, 3, 1).flatten(0, 2).double() for maps in (features, errors))
    rows = _row_space(model.analysis_net.down)
    return seen - seen @ rows.t() @ rows, missed
