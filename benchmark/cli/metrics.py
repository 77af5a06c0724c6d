"""``isorate metrics``."""

import json as json_module

from isorate.files.standard_output import others_talk
from isorate.metrics.registry import list_metrics


def metrics(*, json: bool = False) -> None:
    """List the metrics that `isorate run --metric NAME` measures beside PSNR and MS-SSIM, and on what.

    Examples
    --------
    ```
    isorate metrics
    isorate metrics --json
    ```

    Parameters
    ----------
    json
        Print JSON for scripts.
    """
    with others_talk():
        listed = list_metrics()
    if json:
        print(json_module.dumps(listed, indent=1, ensure_ascii=False))
        return
    for entry in listed:
        if not entry["available"]:
            print(f"{entry['name']}  UNAVAILABLE: {entry['hint']}")
            continue
        better = "larger is better" if entry["larger_is_better"] else "smaller is better"
        unit = f" in {entry['unit']}" if entry["unit"] else ""
        print(f"{entry['name']}  {entry['label']}{unit}, {better}  [{entry['implementation']}]")
        print(f"    on       {entry['measured_on']}")
