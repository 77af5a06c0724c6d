"""A wider synthesis that makes the same pictures: how start 3 came from start 2.

What leaves the new channels is zero. What enters them is what enters the old ones, in another order, each with a sign
that is drawn and moved by half of its spread, so that a fit finds them ready for use; as a stream holds differences to
its start, they cost next to nothing while they are not used.
"""

import numpy as np

from isorate.codecs.overfitted.bitstream.starts import Params
from isorate.codecs.overfitted.model.structure import HIDDEN

MOVED = 0.5
"""Of the standard deviation over the old channels."""


def widened(nets: Params, hidden: int = HIDDEN, seed: int = 0) -> Params:
    """Return `nets` with a synthesis of `hidden` channels.

    Parameters
    ----------
    nets
        The parameters by name, their synthesis narrower than that.
    hidden
        The channels of the result.
    seed
        Of what enters the new ones.
    """
    draw = np.random.default_rng(seed)
    enter, bias, leave = (nets[f"synthesis.{name}"] for name in ("enter.weight", "enter.bias", "leave.weight"))
    count = hidden - len(enter)
    like = draw.permutation(np.repeat(enter, -(-count // len(enter)) + 1, 0))[:count]
    new = like * draw.choice([-1, 1], (count, 1)) + MOVED * enter.std(0) * draw.standard_normal((count, enter.shape[1]))
    return nets | {
        "synthesis.enter.weight": np.concatenate([enter, new]),
        "synthesis.enter.bias": np.concatenate([bias, bias.std() * draw.standard_normal(count)]),
        "synthesis.leave.weight": np.concatenate([leave, np.zeros((len(leave), count))], 1),
    }
