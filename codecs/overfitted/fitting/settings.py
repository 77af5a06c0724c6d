"""How a fit is led: steps, rates, noise. Chosen on photographs of the validation pack."""

from dataclasses import dataclass

STEPS = {0: 1000, 1: 4000, 2: 16000}
"""Steps by effort."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The schedule of one fit.

    Attributes
    ----------
    steps
        Steps in all.
    start
        What the nets begin as, and are coded as differences to; 0: drawn at random, coded as they are.
    end
        Share of the steps that only train the nets, on rounded latents.
    rate
        Learning rate of the nets.
    hold
        Share of phase 1 at full learning rates; after it they fall to 0 by a cosine.
    latent_rate, latent_rate_growth
        Learning rate of the latents of grid k, in their own units: latent_rate · 2^(k · latent_rate_growth).
    latent_betas, net_betas
        Adam's for latents, SOAP's for nets.
    temperature, noise
        Of the soft rounding: first and last value.
    clip
        Largest norm of the nets' gradient.
    lead_from
        Share of the steps after which λ follows the measured size, where a size is asked for.
    lead
        How strongly: change of log λ over the whole of phase 1 for a gap in log size of 1. λ works with a delay of some
        fifty steps, and latents that a λ far too high has emptied do not come back.
    """

    steps: int = STEPS[0]
    start: int = 1
    end: float = 0.1
    rate: float = 1e-2
    hold: float = 0.5
    latent_rate: float = 0.09
    latent_rate_growth: float = 0.5
    latent_betas: tuple[float, float] = (0.8, 0.98)
    net_betas: tuple[float, float] = (0.95, 0.95)
    temperature: tuple[float, float] = (0.35, 0.15)
    noise: tuple[float, float] = (0.22, 0.15)
    clip: float = 0.1
    lead_from: float = 0.2
    lead: float = 8.0
