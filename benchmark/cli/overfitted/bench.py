"""``isorate overfitted bench``."""

from isorate.cli.numbers import Count


def bench(*, threads: Count = 1, repeats: Count = 5, json: bool = False) -> None:
    """Time a fit's step, its parts, and decoding, on a picture of Kodak's size.

    CPU time of this process: on two threads it counts both.

    Examples
    --------
    ```
    isorate overfitted bench --repeats 10
    ```

    Parameters
    ----------
    threads
        CPU threads of fit and decoder.
    repeats
        Of each measurement; the fastest counts.
    json
        Print JSON for scripts.
    """
    import json as json_module

    from isorate.codecs.overfitted.tools.bench import HEIGHT, WIDTH, run

    if json:
        seconds_by_part = dict(run(threads=threads, repeats=repeats))
        print(json_module.dumps({"width": WIDTH, "height": HEIGHT, "threads": threads, "cpu_s": seconds_by_part}))
        return
    print(f"{WIDTH}×{HEIGHT}, {threads} threads, CPU time, fastest of {repeats}")
    for part, seconds in run(threads=threads, repeats=repeats):
        print(f"{part:20} {seconds:.3f} s")
