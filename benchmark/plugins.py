"""What installed packages offer by entry points: their classes, and what is not taken: names that others have."""

import importlib
import inspect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, Generic, TypeVar

from isorate.errors import IsorateError
from isorate.files.standard_output import others_talk

T = TypeVar("T")
Offers = dict[str, tuple[EntryPoint, ...]]
"""By name; of one name there are several where packages offer different things."""

TELL = "tell the author of its package"
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


def said(error: BaseException) -> str:
    """Return an error's kind, and its text where it has one."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


@dataclass(frozen=True, slots=True)
class Plugins(Generic[T]):
    """Classes of one kind that packages, of anyone's too, bring.

    Attributes
    ----------
    kind
        In words: ``codec``.
    base
        The class that they are made from.
    texts
        Attributes of a class that are texts.
    unavailable
        The error for one that cannot be used; its text names the plug-in.
    """

    kind: str
    base: type[T]
    texts: tuple[str, ...]
    unavailable: type[IsorateError]

    def load(self, name: str, target: str) -> type[T]:
        """Return the class at `target`, ``module:attribute``; what is no whole one is the kind's error."""
        module, _, attribute = target.partition(":")
        with self.others_code(name, "fails when it is imported"):
            try:
                found: Any = getattr(importlib.import_module(module), attribute, None)
            except ImportError as error:
                raise self.unavailable(f"{self.kind} {name}: {error}; install the package that provides it") from error
        if not (isinstance(found, type) and issubclass(found, self.base)):
            base = f"{self.base.__module__}.{self.base.__name__}"
            raise self.unavailable(f"{self.kind} {name}: {target} is no {self.kind} class (a subclass of {base})")
        missing = [text for text in self.texts if not isinstance(getattr(found, text, None), str)]
        if missing or inspect.isabstract(found):
            lacks = ", ".join([*missing, *sorted(getattr(found, "__abstractmethods__", ()))])
            raise self.unavailable(f"{self.kind} {name}: {target} is no whole {self.kind}; it lacks {lacks}")
        return found

    @contextmanager
    def others_code(self, name: str, what: str) -> Iterator[None]:
        """Run code that may fail in any way, ``SystemExit`` included: what fails so is not available.

        In place of whatever is not an :class:`~isorate.errors.IsorateError` it raises the kind's error, which names the
        plug-in, `what` and the error.
        """
        try:
            with others_talk():
                yield
        except IsorateError:
            raise
        except (Exception, SystemExit) as error:
            raise self.unavailable(f"{self.kind} {name}: {what}: {said(error)}; mend or remove the package") from error


def _package(offer: EntryPoint) -> str:
    return offer.dist.name if offer.dist is not None else offer.module
