"""What a run folder keeps beside its rows."""

from enum import StrEnum


class Keep(StrEnum):
    """What a run keeps beside its rows: each keeps what those above it do, too.

    Rows have the checksums of files and pixels whatever is kept.
    """

    NONE = "none"
    """Nothing: rows alone."""
    STREAMS = "streams"
    """The compressed files."""
    DECODED = "decoded"
    """Their pixels and the originals', for the report's pictures and for whatever encodes again."""

    @property
    def streams(self) -> bool:
        """Whether compressed files are kept."""
        return self is not Keep.NONE

    @property
    def pictures(self) -> bool:
        """Whether the originals are kept, and decoded pictures at every point that is not for curves only."""
        return self is Keep.DECODED

    @property
    def without_pictures(self) -> str:
        """Why there are no pictures, and what to do about it; empty where they are kept."""
        return "" if self.pictures else f"the run {self.lacking('pictures')}"

    def lacking(self, what: str) -> str:
        """Return that such things are not kept, and what to do about it."""
        return (
            f"keeps no {what} (--keep {self}); to have it, run the same isorate run command with --keep {Keep.DECODED}"
        )

    def keeps(self, other: "Keep") -> bool:
        """Whether everything is kept that `other` keeps."""
        order = list(Keep)
        return order.index(self) >= order.index(other)
