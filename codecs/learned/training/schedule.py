"""Warm-up, hold, decay (WSD): the learning rate as a share of its peak."""


def wsd(progress: float, step: int, warmup_steps: int, decay_share: float) -> float:
    """Return the factor of the learning rate.

    Parameters
    ----------
    progress
        How much of the whole run is done, 0..1, by steps or by seconds.
    step
        Steps done since the start, or since the optimizer began anew.
    warmup_steps
        Steps of linear warm-up.
    decay_share
        The share of the run, at its end, over which the rate falls to zero as 1 - sqrt(t) (Hägele et al. 2024).
    """
    warm = min(1.0, (step + 1) / max(1, warmup_steps))
    left = min(1.0, max(0.0, (1 - progress) / decay_share)) if decay_share > 0 else 1.0
    return float(warm * (1.0 - (1.0 - left) ** 0.5))
