"""What installed packages offer by entry points, and what of it is not taken: names that others have."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint

Offers = dict[str, tuple[EntryPoint, ...]]
"""By name; of one name there are several where packages offer different things."""

OTHER_NAME = "remove the package, or tell its author to choose another name"


def by_name(points: Iterable[EntryPoint]) -> Offers:
    """Return what is offered under each name."""
    found: defaultdict[str, dict[str, EntryPoint]] = defaultdict(dict)
    for point in points:
        found[point.name].setdefault(point.value, point)
    return {name: tuple(offers.values()) for name, offers in found.items()}


def several(offers: Iterable[EntryPoint]) -> str:
    """Return in words that packages offer different things under one name."""
    said = " and ".join(sorted(f"{_package(offer)} ({offer.value})" for offer in offers))
    return f"several are offered under this name, by {said}; remove all but one of these packages"


def ignored(kind: str, offers: Offers, taken: Mapping[str, str]) -> dict[str, str]:
    """Return why offers are ignored, by their name and package.

    Parameters
    ----------
    kind
        What is offered: ``codec``.
    offers
        See :func:`by_name`.
    taken
        Of each name that comes before all offers, what has it, and what to do.
    """
    found = {}
    for name, why in taken.items():
        for offer in offers.get(name, ()):
            package = _package(offer)
            found[f"{name} ({package})"] = (
                f"{kind} {name}: {offer.value} of the package {package} is ignored, this is {why}"
            )
    return found


def _package(offer: EntryPoint) -> str:
    return offer.dist.name if offer.dist is not None else offer.module
