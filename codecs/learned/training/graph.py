"""A step's passes as one CUDA graph.

Kernel by kernel the host launches less than a GPU could do: the convolutions are small and many. A graph is recorded
once and launched as a whole; it reads and writes where it did when it was recorded.

After a recording that fails the process is of no more use: the device's generator stays as the recording left it. So
``isorate learned session`` records on trial before anything counts, and begins a new process without graphs where that
fails.
"""

import gc

import torch
from torch import Tensor, nn

from isorate.codecs.learned.training.distributed import Place
from isorate.codecs.learned.training.loss import MIDDLE_LMBDA, draw_conditions
from isorate.codecs.learned.training.passes import Pass, forget_gradients
from isorate.codecs.learned.training.settings import TrainSettings
from isorate.errors import UsageError

EAGER_STEPS = 3
"""Steps without a graph before the recording: optimizers and cached tensors get their memory in them."""
WARM_UP_PASSES = 2
"""On a stream of their own, so that libraries get theirs."""


class GraphError(UsageError):
    """A CUDA graph could not be recorded; this process cannot go on."""


def records(place: Place, recipe: TrainSettings) -> bool:
    """Return whether steps of `recipe` are recorded: by one GPU, and without MS-SSIM, which copies from the host."""
    return recipe.graphs and place.device.type == "cuda" and place.ranks == 1 and not recipe.ms_ssim_share


class RecordedPass(Pass):
    """Passes like those of :class:`~isorate.codecs.learned.training.passes.Pass`, from the fourth on as a CUDA graph.

    Batches must be alike in shape and memory format, and the network always the same one.
    """

    def __init__(self, place: Place, recipe: TrainSettings, whole: bool) -> None:
        super().__init__(place, recipe, whole)
        self._steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, Tensor, Tensor] | None = None
        self._told: Tensor | None = None

    def __call__(self, network: nn.Module, x: Tensor, seed: int) -> Tensor:
        """Leave a batch's gradients in the network's parameters, as every pass does it."""
        self._steps += 1
        if self._steps <= EAGER_STEPS:
            return super().__call__(network, x, seed)
        if self._graph is None:
            self._graph = self._record(network, x)
        assert self._inputs is not None
        assert self._told is not None
        generator = self.place.generator()
        generator.manual_seed(seed)
        drawn = draw_conditions(x.shape[0], self.recipe, generator)
        for static, value in zip(self._inputs, (x, *drawn), strict=True):
            static.copy_(value)
        self._graph.replay()
        return self._told.clone()

    def _record(self, network: nn.Module, x: Tensor) -> torch.cuda.CUDAGraph:
        """Record the passes of a batch like `x`; nothing is learnt from it.

        Gradients that an earlier backward pass has made, and nodes of its autograd graph, belong to the default stream:
        a recording that meets one of them fails.
        """
        generator = self.place.generator()
        lmbda = torch.full((x.shape[0],), MIDDLE_LMBDA, device=x.device)
        inputs = self._inputs = x.clone(), lmbda, torch.ones_like(lmbda)
        gc.collect()
        torch.cuda.empty_cache()
        side, here = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
        side.wait_stream(here)
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_PASSES):
                self._learn(network, *inputs, generator)
        here.wait_stream(side)
        forget_gradients(network)
        gc.collect()
        torch.cuda.empty_cache()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._told = self._learn(network, *inputs, generator)
        except RuntimeError as error:
            reason = str(error.__context__ or error).splitlines()[0]  # the end of a broken recording fails, too
            raise GraphError(f"no CUDA graph of a step can be recorded ({reason}): --set graphs=false") from error
        return graph
