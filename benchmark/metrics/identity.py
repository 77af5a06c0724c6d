"""What makes a measured number: our own code and the libraries under it."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

FILES = ("__init__.py", "bpp.py", "identity.py", "ms_ssim.py", "psnr.py", "shapes.py", "torch_defaults.py")
"""What computes PSNR and MS-SSIM; further metrics have identities of their own, :mod:`isorate.metrics.registry`."""
LIBRARIES = ("numpy", "pytorch-msssim", "torch")
"""The packages that compute PSNR and MS-SSIM."""


@cache
def metrics_identity() -> str:
    """Return the digest of the metrics' sources and of their libraries' versions: SHA-256 in hexadecimal.

    Values of one identity may be compared, continued and taken from a cache; values of two never.
    """
    digest = hashlib.sha256()
    for file in (Path(__file__).with_name(name) for name in FILES):
        digest.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    for name in LIBRARIES:
        digest.update(f"{name} {version(name)}\n".encode())
    return digest.hexdigest()
