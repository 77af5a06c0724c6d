"""Packages of `isorate[metrics]`, loaded where a metric needs one."""

import importlib
from types import ModuleType

from isorate.errors import MetricUnavailableError


def import_extra(module: str, metric: str) -> ModuleType:
    """Return a module that `metric` computes with.

    Raises
    ------
    MetricUnavailableError
        When it is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MetricUnavailableError(f"{metric}: {error}; pip install 'isorate[metrics]'") from None
