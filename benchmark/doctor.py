"""What is here, what is missing, and how to install it."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from isorate.codecs.registry import CodecSpec, ListedCodec, list_codecs
from isorate.datasets.folder import folder
from isorate.datasets.locate import Located, Presence, locate, locate_files
from isorate.datasets.manifest import BUILT_IN
from isorate.datasets.registry import manifest_for
from isorate.engine.cache import ENVIRONMENT as CACHE_FOLDER
from isorate.engine.cache import cache_dir
from isorate.errors import CodecError, DatasetError, ImageError, IsorateError
from isorate.metrics.registry import list_metrics
from isorate.runs.provenance import PACKAGES, machine, usable_cores, versions

PROGRAMS = {
    "bpgenc": ("ISORATE_BPGENC", "optional: build libbpg (https://bellard.org/bpg/), or name it in ISORATE_BPGENC"),
    "bpgdec": ("ISORATE_BPGDEC", "optional: comes with bpgenc; or name it in ISORATE_BPGDEC"),
}
CODECS_OWN = ("isorate", "constriction")
"""Libraries that no comparison lacks by itself: the codec that needs one says so."""
MEMORY_PER_WORKER = 1 << 30
"""Bytes that a worker may take on a photograph of some megapixels, MS-SSIM's planes included."""
DISK = 1 << 30
"""Bytes that a run and the cache take on a data set like Kodak."""


class State(StrEnum):
    """How a thing is."""

    OK = "ok"
    MISSING = "missing"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Examined:
    """One thing that was looked at.

    Attributes
    ----------
    group, name
        ``codec``, ``bpg``.
    state
        How it is.
    text
        What was found, or what is missing and how to install it.
    needed
        Whether the given configuration needs it.
    """

    group: str
    name: str
    state: State
    text: str
    needed: bool = False

    @property
    def stops(self) -> bool:
        """Whether the given configuration cannot run because of it."""
        return self.needed and self.state is State.MISSING


def examine(data: str, codecs: Sequence[str], out: Path) -> Iterator[Examined]:
    """Look at everything, and mark what a run over `data` with `codecs` into `out` needs.

    Parameters
    ----------
    data
        ``kodak``, ``samples`` or a folder.
    codecs
        Specs, the anchor first.
    out
        The run folder, or the folder where it is going to be.
    """
    yield from _codecs(codecs)
    yield from _programs()
    yield from _packages()
    yield from _metrics()
    yield from _datasets(data)
    yield from _machine(out)


def _codecs(wanted: Sequence[str]) -> Iterator[Examined]:
    specs = [CodecSpec.parse(text) for text in dict.fromkeys(wanted)]
    plain = {spec.name for spec in specs if not spec.options}
    for listed in list_codecs():
        yield _listed(listed, needed=listed.name in plain)
    for spec in specs:
        if spec.options or spec.name not in {listed.name for listed in list_codecs()}:
            try:
                yield Examined("codec", spec.text, State.OK, spec.create().backend, needed=True)
            except IsorateError as error:
                yield Examined("codec", spec.text, State.MISSING, str(error), needed=True)


def _listed(codec: ListedCodec, *, needed: bool) -> Examined:
    state = State.OK if codec.available else State.MISSING
    return Examined("codec", codec.name, state, codec.backend if codec.available else codec.hint, needed)


def _programs() -> Iterator[Examined]:
    from isorate.codecs.bpg import external

    for name, (variable, hint) in PROGRAMS.items():
        try:
            path = external.find(name, variable)
            said = f"{path}, version {external.version(path)}" if path and name == "bpgenc" else path
        except CodecError as error:
            yield Examined("program", name, State.WARNING, str(error))
            continue
        yield Examined("program", name, State.OK if said else State.MISSING, said or hint)


def _packages() -> Iterator[Examined]:
    found = versions()
    yield Examined("library", "python", State.OK, found.pop("python"))
    for name in PACKAGES:
        if name in found:
            yield Examined("library", name, State.OK, found[name])
        else:
            yield Examined("library", name, State.MISSING, f"pip install {name}", needed=name not in CODECS_OWN)


def _metrics() -> Iterator[Examined]:
    for entry in list_metrics():
        state = State.OK if entry["available"] else State.WARNING
        yield Examined("metric", entry["name"], state, entry["implementation"] if entry["available"] else entry["hint"])


def _datasets(data: str) -> Iterator[Examined]:
    for name in BUILT_IN:
        yield _located(name, locate(name, cache_dir()), needed=data == name)
    if data in BUILT_IN:
        return
    try:
        if (manifest := manifest_for(data)) is not None:
            yield _located(data, locate_files(manifest, cache_dir()), needed=True)
        else:
            yield Examined("data", data, State.OK, f"{len(folder(Path(data)).sources)} images", needed=True)
    except (DatasetError, ImageError) as error:
        yield Examined("data", data, State.MISSING, str(error), needed=True)


def _located(name: str, found: Located, *, needed: bool) -> Examined:
    state = {Presence.FOUND: State.OK, Presence.MISSING: State.WARNING, Presence.REFUSED: State.MISSING}[found.state]
    return Examined("data", name, state, found.said, needed)


def _machine(out: Path) -> Iterator[Examined]:
    cores = usable_cores()
    this = machine()
    said = f"{this['processor'] or this['machine']}; {cores} cores: as many workers, of one thread each"
    yield Examined("machine", "processor", State.OK, said)
    memory = _memory()
    if memory is not None:
        tight = memory < cores * MEMORY_PER_WORKER
        said = f"{memory / (1 << 30):.1f} GiB available"
        advice = f"; use fewer processes: --workers {max(1, memory // MEMORY_PER_WORKER)}" if tight else ""
        yield Examined("machine", "memory", State.WARNING if tight else State.OK, said + advice)
    yield _disk("run folder", out, needed=True)
    cache = cache_dir()
    if cache is None:
        said = f"no home folder, thus no cache; name a folder in {CACHE_FOLDER}"
        yield Examined("machine", "cache", State.WARNING, said)
    else:
        yield _disk("cache", cache, needed=False)


def _disk(name: str, folder: Path, *, needed: bool) -> Examined:
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        return Examined("machine", name, State.MISSING, f"{there} cannot be written; choose another folder", needed)
    free = shutil.disk_usage(there).free
    said = f"{folder}: {free / (1 << 30):.1f} GiB free"
    if free < DISK:
        return Examined("machine", name, State.WARNING, f"{said}; a run over Kodak takes up to {DISK >> 30} GiB")
    return Examined("machine", name, State.OK, said)


def _memory() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def stops(found: Iterable[Examined]) -> list[Examined]:
    """Return what the given configuration lacks."""
    return [item for item in found if item.stops]
