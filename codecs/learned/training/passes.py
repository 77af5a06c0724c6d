"""A step's forward pass, loss and backward pass: all but the optimizers."""

import torch
from torch import Tensor, nn

from isorate.codecs.distortion import squared_error
from isorate.codecs.learned.model.precision import in_bfloat16
from isorate.codecs.learned.training.distributed import Place
from isorate.codecs.learned.training.loss import bits_per_pixel, draw_conditions, objective
from isorate.codecs.learned.training.numerics import numerics
from isorate.codecs.learned.training.settings import TrainSettings

NOT_FINITE = 3
"""Where what a pass tells says that its gradient is not finite."""


class Pass:
    """The passes of a part of a run: one recipe, whole steps or those of the priors alone.

    Parameters
    ----------
    place
        Where it runs.
    recipe
        The recipe in force.
    whole
        Whether the synthesis runs, too.
    """

    def __init__(self, place: Place, recipe: TrainSettings, whole: bool) -> None:
        self.place = place
        self.recipe = recipe
        self.whole = whole

    def __call__(self, network: nn.Module, x: Tensor, seed: int) -> Tensor:
        """Leave a batch's gradients, clipped, in the network's parameters.

        Parameters
        ----------
        network
            The model, or what averages its gradients.
        x
            Pictures (N, 3, height, width) in [0, 1].
        seed
            Of λ, Δ and the noise.

        Returns
        -------
        Tensor
            (4,), float32, on the device: the loss, the mean rate, the mean PSNR, and at :data:`NOT_FINITE` 1 if the
            gradient is not finite, else 0. Where the host runs ahead such a gradient is set to zero.
        """
        generator = self.place.generator()
        generator.manual_seed(seed)
        return self._learn(network, x, *draw_conditions(x.shape[0], self.recipe, generator), generator)

    def _learn(
        self, network: nn.Module, x: Tensor, lmbda: Tensor, bin_size: Tensor, generator: torch.Generator
    ) -> Tensor:
        recipe, device = self.recipe, self.place.device
        forget_gradients(network)
        fast = in_bfloat16(recipe.precision, device, recipe.fake_quantize)
        with numerics(device, exact=recipe.fake_quantize, tuned=True):
            with torch.autocast(device.type, torch.bfloat16, enabled=fast):
                coded = network(x, lmbda, bin_size, recipe.quantization, generator, reconstruct=self.whole)
            loss = objective(coded, x, lmbda, recipe)
            loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        with torch.no_grad():
            broken = ~torch.isfinite(norm)
            if self.place.runs_ahead:
                for parameter in network.parameters():
                    if parameter.grad is not None:
                        parameter.grad.masked_fill_(broken, 0)
            psnr = -10 * torch.log10(squared_error(coded.picture, x).clamp_min(1e-10))
            return torch.stack([loss, bits_per_pixel(coded, x).mean(), psnr.mean(), broken.to(loss)])


def forget_gradients(network: nn.Module) -> None:
    """Let the next backward pass make the gradients' memory anew."""
    for parameter in network.parameters():
        parameter.grad = None
