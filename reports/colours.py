"""Which colour and mark a codec has: the same in every report, whatever else is compared and whoever is the anchor."""

import hashlib
from collections.abc import Sequence

COUNT = 8
"""How many there are; the page's style sheet and the figures have as many."""
FIXED = ("learned", "bpg", "jpeg2000", "jpeg", "overfitted")
"""The codecs that have the first ones to themselves, by their names in the registry."""


def numbers(codecs: Sequence[str]) -> list[int]:
    """Return each codec's number, all different while there are enough.

    Parameters
    ----------
    codecs
        Their names in a run, with options where it has several of one: ``jpeg``, ``jpeg:chroma=444``.

    Examples
    --------
    >>> numbers(["bpg", "learned", "jpeg"]), numbers(["jpeg", "bpg"])
    ([1, 0, 3], [3, 1])
    """
    found: dict[int, int] = {}
    taken: set[int] = set()
    # those that have one of their own come first, so that no other codec's choice depends on their place
    for at in sorted(range(len(codecs)), key=lambda at: (codecs[at] not in FIXED, codecs[at])):
        name = codecs[at].partition(":")[0]
        if codecs[at] in FIXED or (name in FIXED and FIXED.index(name) not in taken):
            found[at] = FIXED.index(name)
        else:
            digest = int.from_bytes(hashlib.sha256(codecs[at].encode()).digest()[:4], "big")
            free = [slot for slot in range(len(FIXED), COUNT) if slot not in taken]
            free = free or [slot for slot in range(COUNT) if slot not in taken] or list(range(COUNT))
            own = len(FIXED) + digest % (COUNT - len(FIXED))
            found[at] = own if own in free else free[digest % len(free)]
        taken.add(found[at])
    return [found[at] for at in range(len(codecs))]
