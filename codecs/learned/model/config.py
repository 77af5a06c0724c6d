"""The model's shape: everything that a weights file needs to rebuild its network."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Self, TypeAlias

from msgspec import Meta

from isorate.codecs.learned.model.bounds import LogLmbda, check_fields
from isorate.errors import UsageError

Width: TypeAlias = Annotated[int, Meta(ge=1, le=16384)]
WidthOrDefault: TypeAlias = Annotated[int, Meta(ge=0, le=16384)]
Depth: TypeAlias = Annotated[int, Meta(ge=0, le=1000)]

DEFAULT_KNOTS = (-1.5, -2.0, -2.5, -3.0, -3.5, -4.0)
DEFAULTS = {"coarse_hidden": "coarse_channels", "step_channels": "prior_channels"}
"""Widths for which 0 stands for another one."""
LEAST_STEP_CHANNELS = 8
"""The KLT's start gives five hidden units of each step a meaning."""


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
    fine_channels: Width = 96
    coarse_channels: Width = 160
    coarse_hidden: WidthOrDefault = 0
    latent_channels: Width = 160
    hyper_channels: Width = 48
    encoder_fine_blocks: Depth = 1
    encoder_coarse_blocks: Depth = 1
    decoder_coarse_blocks: Depth = 2
    decoder_fine_blocks: Depth = 1
    prior_channels: Width = 128
    step_channels: WidthOrDefault = 0
    enter_kernel: Annotated[int, Meta(ge=1, le=63)] = 1
    separable: bool = False
    knots: tuple[LogLmbda, ...] = DEFAULT_KNOTS

    def __post_init__(self) -> None:
        check_fields(self, "model")
        if len(self.knots) < 5:
            raise UsageError(f"model.knots has {len(self.knots)} entries; the hat function needs at least 5")
        if list(self.knots) != sorted(self.knots, reverse=True) or len(set(self.knots)) != len(self.knots):
            raise UsageError(f"model.knots must descend: {self.knots}")
        for key in ("latent_channels", "hyper_channels", "prior_channels"):
            if (width := getattr(self, key)) % 4:
                raise UsageError(
                    f"model.{key} is {width}; latent, hyper and prior channels must be multiples of 4 (four groups)"
                )
        if (width := self.step_channels or self.prior_channels) < LEAST_STEP_CHANNELS:
            raise UsageError(
                f"model.step_channels (0: prior_channels) is {width}; it must be {LEAST_STEP_CHANNELS} or more"
            )
        if self.enter_kernel % 2 == 0:
            raise UsageError(f"model.enter_kernel is {self.enter_kernel}; it must be odd")
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
        return cls(**table)

    def differences(self, other: "ModelConfig") -> dict[str, tuple[Any, Any]]:
        """Return the keys in which two models differ, each with this one's value and that of `other`."""
        found = {}
        for field in fields(self):
            one, two = (
                getattr(config, field.name) or getattr(config, DEFAULTS.get(field.name, field.name))
                for config in (self, other)
            )
            if one != two:
                found[field.name] = one, two
        return found

    def to_json(self) -> str:
        """Return the configuration as canonical JSON (sorted keys).

        A later key is left out where it says what its absence says: weights files are named by a digest of this text.
        """
        table = asdict(self)
        for later in ("coarse_hidden", "step_channels"):
            if not table[later]:
                del table[later]
        return json.dumps(table, sort_keys=True)
