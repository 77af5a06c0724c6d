"""What the registry holds and what of it can run here."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from isorate.codecs.base import Knob, Option
from isorate.codecs.registry.adapters import CODECS, ignored, names
from isorate.codecs.registry.spec import CodecSpec
from isorate.errors import CodecError


@dataclass(frozen=True, slots=True)
class ListedCodec:
    """One codec of the registry with its default options.

    Attributes
    ----------
    name, label, backend, options, knob
        As the adapter says; empty where it is not available.
    available
        Whether it can run here.
    hint
        Why not, and what to install.
    """

    name: str
    label: str = ""
    backend: str = ""
    options: dict[str, Option] = field(default_factory=dict)
    knob: Knob | None = None
    available: bool = False
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON types."""
        return asdict(self)


def list_codecs() -> list[ListedCodec]:
    """Return every registered codec, available or not, and the plug-ins whose names are taken, with their packages."""
    return [*map(_listed, names()), *(ListedCodec(name, hint=why) for name, why in ignored().items())]


def _listed(name: str) -> ListedCodec:
    try:
        codec = CodecSpec.parse(name).create()
        with CODECS.others_code(name, "cannot say what it is"):
            listed = ListedCodec(name, codec.label, codec.backend, codec.options, codec.knob, available=True)
            json.dumps(listed.to_json(), allow_nan=False)
        return listed
    except CodecError as error:
        return ListedCodec(name, hint=str(error))
