"""The KLT warm start: the untrained network is already a 16×16 block-transform codec.

The convolutions after each space-to-depth step get the principal components of training patches, the synthesis
their transposes, every residual branch ends in zeros, and the gain of the latent at each knot is that of the
high-resolution theory: with R in bits per pixel and D the mean over three channels, D = Δ²/12 and
dR/dΔ = -3 / (Δ ln 2), so D + λR is least at Δ² = 18 λ / ln 2 (about 26 λ).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.conditioning import ConditionalConv2d
from isorate.codecs.learned.model.partition import GROUP_AT
from isorate.codecs.learned.model.priors import StepNet
from isorate.codecs.learned.model.transforms import MID_GREY, PATCH

BIN_PER_ROOT_LMBDA = math.sqrt(18 / math.log(2))
WHITENING = 0.5
"""Features between the transforms are divided by their standard deviation to this power."""
REFERENCE_KNOT = 1
"""The knot at which every channel that the priors read starts with a spread of about one."""
LEAST_SPREAD = 0.01
OUTER_TAPS = 0.35
"""How much the neighbours count in the activity, relative to the neighbourhood's own known elements."""
ACTIVITY_OCTAVES = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0)
"""Where the logarithm of the local activity, relative to the training patches', is interpolated."""
ACTIVITY_TRUST = 0.8
"""Octaves of scale for each octave of activity."""
HYPER_GAIN = 0.3
"""The start of the hyper-latent's spread: it costs little until it is of use."""


def principal_components(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Return the KLT of `patches` (count, dimensions): basis rows by falling variance, and the standard deviations.

    Deviations are about zero, not the mean, because the network has no other place for the mean.
    """
    patches = patches.double()
    covariance = patches.t() @ patches / patches.shape[0]
    variance, vectors = torch.linalg.eigh(covariance)
    deviation = variance.flip(0).clamp_min(1e-12).sqrt()
    return vectors.flip(1).t().contiguous(), deviation


@torch.no_grad()
def klt_warm_start(model: ConditionalAutoencoder, images: Tensor) -> None:
    """Initialise `model` in place from sample pictures.

    Parameters
    ----------
    model
        A freshly built model.
    images
        Crops (N, 3, H, W) in [0, 1], sides multiples of 16; some thousands of 16×16 patches in all.
    """
    config = model.config
    bins = BIN_PER_ROOT_LMBDA * torch.sqrt(10.0 ** torch.tensor(config.knots, dtype=torch.float64))
    gain = 1 / bins
    fine, coarse, latent = config.fine_channels, config.coarse_channels, config.latent_channels

    pixels = functional.pixel_unshuffle(images.double() - MID_GREY, PATCH)
    basis, deviation = principal_components(pixels.permute(0, 2, 3, 1).flatten(0, 2))
    kept = min(fine, basis.shape[0])
    fine_scale = deviation[:kept] ** WHITENING
    _embed(model.analysis_net.enter, basis[:kept] / fine_scale[:, None])
    _embed(model.synthesis_net.leave, basis[:kept].t() * fine_scale)

    features = torch.einsum("dc,nchw->ndhw", basis[:kept], pixels)
    basis, deviation = principal_components(functional.pixel_unshuffle(features, 2).permute(0, 2, 3, 1).flatten(0, 2))
    used = min(coarse, basis.shape[0])
    coarse_scale = deviation[:used] ** WHITENING
    step_scale = fine_scale.repeat_interleave(4)
    down = basis[:used] * step_scale / coarse_scale[:, None]
    up = basis[:used].t() * coarse_scale / step_scale[:, None]
    _embed(model.analysis_net.down, down)
    _embed(model.synthesis_net.up, up)

    count = min(latent, used)
    _embed(model.analysis_net.leave, torch.diag(coarse_scale)[:count])
    _embed(model.synthesis_net.from_latent, torch.diag(1 / coarse_scale)[:, :count])
    model.analysis_net.leave.set_scale(gain.float())
    model.synthesis_net.from_latent.set_scale(bins.float())
    _warm_priors(model, deviation[:count], gain)


def _embed(conv: ConditionalConv2d, matrix: Tensor) -> None:
    """Set `conv` to `matrix` (out, in) in the centre tap; rows beyond the matrix keep their random start."""
    conv.weight[: matrix.shape[0]].zero_()
    centre = conv.kernel // 2
    conv.weight[: matrix.shape[0], : matrix.shape[1], centre, centre] = matrix.to(conv.weight)


@torch.no_grad()
def _warm_priors(model: ConditionalAutoencoder, deviation: Tensor, gain: Tensor) -> None:
    """Tell the priors the variance of each principal component, and bring what they read to a common range."""
    count = deviation.numel()
    latent = model.config.latent_channels
    log2_scale = torch.full((latent, gain.numel()), -4.0, dtype=torch.float64)
    log2_scale[:count] = torch.log2(deviation[:, None] * gain)
    spread = (deviation * gain[REFERENCE_KNOT]).clamp_min(LEAST_SPREAD)
    shrink = torch.ones(latent, dtype=torch.float64)
    shrink[:count] = 1 / spread
    level = (gain[REFERENCE_KNOT] / gain).float()
    for step, net in enumerate(model.latent_prior.nets):
        assert isinstance(net, StepNet)
        known = [_by_step(shrink, earlier, latent // 4) for earlier in range(step)]
        if known:
            net.enter.weight[:, -step * latent :].mul_(torch.cat(known).to(net.enter.weight)[:, None, None])
        net.enter.set_scale(level)
        net.leave.set_scale(torch.cat([level.rsqrt().expand(latent, -1), torch.ones(latent, gain.numel())]))
        net.leave.v[latent:] = _by_step(log2_scale, step, latent // 4).to(net.leave.v)
        if known:
            _follow_activity(net, latent)
    from_latent = model.hyper_analysis_net.from_latent
    from_latent.weight.mul_(shrink.to(from_latent.weight)[:, None, None])
    from_latent.set_scale(level)
    model.hyper_analysis_net.leave.weight.mul_(HYPER_GAIN)


@torch.no_grad()
def _follow_activity(net: StepNet, coded: int) -> None:
    """Make a step's scales proportional to the activity of what is known around.

    The first layer's random projections of normalised latents are non-negative after ReLU, and their mean is
    proportional to the local standard deviation. Some hidden units become hinges of that mean, whose sum interpolates
    its logarithm.
    """
    centre = net.enter.weight[:, :, 1, 1].clone()
    norm = net.enter.weight.norm()
    net.enter.weight.mul_(OUTER_TAPS)
    net.enter.weight[:, :, 1, 1] = centre
    net.enter.weight.mul_(norm / net.enter.weight.norm())
    width = net.middle.weight.shape[1]
    typical = 1 / math.sqrt(2 * math.pi)
    places = typical * 2.0 ** torch.tensor(ACTIVITY_OCTAVES, dtype=torch.float64)
    values = ACTIVITY_TRUST * torch.tensor(ACTIVITY_OCTAVES, dtype=torch.float64)
    slopes = values.diff() / places.diff()
    slopes = torch.cat([slopes[:1], slopes.diff()])
    hinges = slopes.numel()
    net.middle.weight[:hinges] = 1 / width
    net.middle.v[:hinges] = -places[:-1, None].to(net.middle.v)
    net.leave.weight[coded:, :hinges, 0, 0] = slopes.to(net.leave.weight)
    net.leave.v[coded:] += values[0].to(net.leave.v)


def _by_step(values: Tensor, step: int, group: int) -> Tensor:
    """Return per-channel `values` (M, ...) in the order in which step `step` codes its elements."""
    return torch.cat([values[g * group : (g + 1) * group] for g in GROUP_AT[step]])
