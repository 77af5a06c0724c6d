"""``isorate learned bench``."""

from isorate.cli.numbers import Count


def bench(*, threads: Count = 2, repeats: Count = 5, json: bool = False) -> None:
    """Time the learned codec on one picture of Kodak's size, next to CompressAI's models where they are installed.

    Machines are noisy: the ratios of one run say more than seconds.

    Examples
    --------
    ```
    isorate learned bench --threads 1
    ```

    Parameters
    ----------
    threads
        CPU threads of the networks.
    repeats
        Of each measurement; the fastest counts.
    json
        Print JSON for scripts.
    """
    import json as json_module
    from dataclasses import asdict

    from isorate.codecs.learned.tools.bench import profile_small, run

    timings = run(threads=threads, repeats=repeats)
    if json:
        parts = profile_small(threads=threads, repeats=repeats)
        print(json_module.dumps({"codecs": [asdict(one) for one in timings], "small_s": parts}))
        return
    first = timings[0]
    print(f"768×512, {threads} threads, fastest of {repeats}")
    for one in timings:
        ratios = f"×{one.encode_s / first.encode_s:.2f}, ×{one.decode_s / first.decode_s:.2f}"
        print(f"{one.name:14} encode {one.encode_s:8.3f} s  decode {one.decode_s:8.3f} s  [{ratios}]")
    for part, seconds in profile_small(threads=threads, repeats=repeats).items():
        print(f"  small, {part:40} {seconds:.3f} s")
