"""Metrics that a test offers."""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint

import pytest

from isorate.metrics import registry
from isorate.metrics.registry import metric, metric_identity


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Offer a metric as an installed package does."""

    def forget() -> None:
        for cached in (registry._plugins, metric, metric_identity):
            cached.cache_clear()

    def offered(name: str, target: str) -> None:
        points = [EntryPoint(name, target, registry.ENTRY_POINT_GROUP)]
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        forget()

    yield offered
    monkeypatch.undo()
    forget()
