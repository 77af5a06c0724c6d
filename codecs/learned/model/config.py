"""The model's shape: everything that a weights file needs to rebuild its network."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from isorate.errors import UsageError

DEFAULT_KNOTS = (-1.5, -2.0, -2.5, -3.0, -3.5, -4.0)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Widths and depths of a :class:`~isorate.codecs.learned.model.autoencoder.ConditionalAutoencoder`.

    Attributes
    ----------
    fine_channels, coarse_channels
        Features at 1/8 and 1/16 of the picture's size.
    latent_channels, hyper_channels
        Channels of the latent z (at 1/16) and of the hyper-latent w (at 1/64); both are coded in four groups.
    coarse_hidden
        Features inside the dense residual blocks at 1/16; 0 means coarse_channels.
    encoder_fine_blocks, encoder_coarse_blocks, decoder_coarse_blocks, decoder_fine_blocks
        Residual blocks at each place.
    prior_channels
        Hidden width of the hyper prior, and of the features that are drawn from w (at 1/32).
    step_channels
        Hidden width of the latent prior's nets; 0 means prior_channels.
    enter_kernel
        Side of the analysis' first kernel, in 8×8 patches; the synthesis ends in 3.
    separable
        Whether the residual blocks are gated depthwise-separable ones (fast on a GPU) or dense 3×3 (fast to train on
        a CPU).
    knots
        log10 λ at the knots of the hat function, descending.
    """

    name: str = "small"
    fine_channels: int = 96
    coarse_channels: int = 160
    coarse_hidden: int = 0
    latent_channels: int = 160
    hyper_channels: int = 48
    encoder_fine_blocks: int = 1
    encoder_coarse_blocks: int = 1
    decoder_coarse_blocks: int = 2
    decoder_fine_blocks: int = 1
    prior_channels: int = 128
    step_channels: int = 0
    enter_kernel: int = 1
    separable: bool = False
    knots: tuple[float, ...] = DEFAULT_KNOTS

    def __post_init__(self) -> None:
        if len(self.knots) < 5:
            raise UsageError(f"model.knots has {len(self.knots)} entries; the hat function needs at least 5")
        if list(self.knots) != sorted(self.knots, reverse=True) or len(set(self.knots)) != len(self.knots):
            raise UsageError(f"model.knots must descend: {self.knots}")
        if self.latent_channels % 4 or self.hyper_channels % 4:
            raise UsageError("model.latent_channels and model.hyper_channels must be multiples of 4 (four groups)")
        if self.coarse_hidden and self.separable:
            raise UsageError("model.coarse_hidden is for dense blocks; separable ones have no such width")
        if self.latent_channels > self.coarse_channels:
            raise UsageError("model.latent_channels must not exceed model.coarse_channels")

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> Self:
        """Return the configuration that a TOML or JSON table describes; an unknown key is a UsageError."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(table) - known)
        if unknown:
            raise UsageError(f"unknown keys in [model]: {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        values = dict(table)
        if "knots" in values:
            values["knots"] = tuple(float(knot) for knot in values["knots"])
        return cls(**values)

    def to_json(self) -> str:
        """Return the configuration as canonical JSON (sorted keys).

        A later key is left out where it says what its absence says: weights files are named by a digest of this text.
        """
        table = asdict(self)
        for later in ("coarse_hidden", "step_channels"):
            if not table[later]:
                del table[later]
        return json.dumps(table, sort_keys=True)
