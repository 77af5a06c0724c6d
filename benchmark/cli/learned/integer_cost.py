"""``isorate learned integer-cost``."""

from pathlib import Path

from isorate.cli.numbers import Count


def integer_cost(checkpoint: Path, /, *, validation: Path, photographs: Count = 32, json: bool = False) -> None:
    """Measure the BD-rate of the exported codec's integer priors against the checkpoint's float priors.

    Examples
    --------
    ```
    isorate learned integer-cost .checkpoints/small --validation .data/valid
    ```

    Parameters
    ----------
    checkpoint
        A run's folder (its newest checkpoint) or one checkpoint.
    validation
        Packed validation photographs.
    photographs
        How many of them.
    json
        Print JSON for scripts.
    """
    import json as json_module
    from dataclasses import asdict

    from isorate.codecs.learned.tools.integer_cost import LOG10_LMBDAS, cost_of_checkpoint

    cost, curve, count = cost_of_checkpoint(checkpoint, validation, photographs)
    if json:
        rates_of = [
            {"log10_lmbda": at, "float": asdict(ideal), "integer": asdict(real)}
            for at, (ideal, real) in zip(LOG10_LMBDAS, curve, strict=True)
        ]
        print(json_module.dumps({"bd_rate_pct": cost, "photographs": count, "points": rates_of}))
        return
    for log10_lmbda, (ideal, real) in zip(LOG10_LMBDAS, curve, strict=True):
        rates = f"float {ideal.bpp:.4f} bpp {ideal.psnr:.3f} dB, integer {real.bpp:.4f} bpp {real.psnr:.3f} dB"
        print(f"log10 λ {log10_lmbda:g}: {rates} ({100 * (real.bpp / ideal.bpp - 1):+.2f} %)")
    print(f"BD-rate of integer against float priors over {count} photographs: {cost:+.2f} %")
