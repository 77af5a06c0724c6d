"""How a fit is led: steps, rates, noise. Chosen on photographs of the validation pack."""

from dataclasses import dataclass

STEPS = {0: 1000, 1: 4000, 2: 10000}
"""Steps by effort."""
MS_SSIM_SHARE = {"mse": 0.0, "mixed": 0.2, "ms-ssim": 1.0}
"""Share of 1 - MS-SSIM in D by objective."""
MOST_RETRAINING, RETRAININGS = 40, 11
"""Steps of the nets in a turn of their quantization, and turns."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The schedule of one fit.

    Attributes
    ----------
    steps
        Steps of phases 1 to 3; what follows takes at most some 10 % more.
    start
        What the nets begin as, and are coded as differences to; 0: drawn at random, coded as they are.
    tries
        Starts that the warm-up tries, where nets are drawn at random.
    warm_up
        Share of the steps that the warm-up takes.
    end
        Share of the steps that only train the nets, on rounded latents.
    rate
        Learning rate of the nets; it falls to 0 by a cosine, as the latents' do.
    latent_rate, latent_rate_growth
        Learning rate of the latents of grid k, in their own units: latent_rate · 2^(k · latent_rate_growth).
    warm_up_betas, latent_betas, net_betas
        Adam's for latents in the warm-up and after it, SOAP's for nets.
    temperature, noise
        Of the soft rounding: first and last value.
    clip
        Largest norm of the nets' gradient.
    retrain, retrain_rate
        Share of the steps, in addition, that train the nets while they are quantized, and their rate then.
    polish
        Trials of single levels, for each step.
    ms_ssim_share
        Of 1 - MS-SSIM in D; see :class:`~isorate.codecs.overfitted.model.target.Target`.
    """

    steps: int = STEPS[0]
    start: int = 3
    tries: int = 5
    warm_up: float = 0.08
    end: float = 0.05
    rate: float = 1e-2
    latent_rate: float = 0.09
    latent_rate_growth: float = 0.5
    warm_up_betas: tuple[float, float] = (0.725, 0.97)
    latent_betas: tuple[float, float] = (0.9, 0.999)
    net_betas: tuple[float, float] = (0.95, 0.95)
    temperature: tuple[float, float] = (0.35, 0.08)
    noise: tuple[float, float] = (0.22, 0.15)
    clip: float = 0.1
    retrain: float = 0.1
    retrain_rate: float = 1e-3
    polish: float = 0.2
    ms_ssim_share: float = MS_SSIM_SHARE["mixed"]

    @property
    def retrain_steps(self) -> int:
        """Steps in a turn of phase 4."""
        return min(MOST_RETRAINING, round(self.steps * self.retrain / RETRAININGS))

    @property
    def all_steps(self) -> int:
        """Steps of phases 1 to 4, which a progress bar shows."""
        return self.steps + RETRAININGS * self.retrain_steps
