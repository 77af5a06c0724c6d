"""``isorate learned golden``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.verdicts import golden_verdict


def golden(
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    check: bool = False,
    weights: str = "base",
    device: str = "cpu",
    json: bool = False,
) -> int:
    """Make golden streams, to be renewed with the weights, or compare: the exit code is 1 when one does not hold.

    Examples
    --------
    ```
    isorate learned golden --out tests/data/learned/small
    isorate learned golden --out tests/data/learned/small --check --device cuda
    ```

    Parameters
    ----------
    out
        The folder of streams; making them replaces those that its index names and leaves other files alone.
    check
        Compare instead of making.
    weights
        A model's name or a weights file.
    device
        PyTorch device of the networks.
    json
        Print JSON for scripts.
    """
    from isorate.codecs.device import check_presence
    from isorate.codecs.learned.bitstream.weights import weights_path
    from isorate.codecs.learned.coding.network import load_network
    from isorate.codecs.learned.tools.golden import failures, make_golden
    from isorate.codecs.options import check_device

    check_device("learned", device)
    check_presence("learned", device)
    network = load_network(weights_path(weights), device)
    if not check:
        make_golden(network, out)
    return golden_verdict(out, failures(network, out), json)
