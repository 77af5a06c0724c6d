"""The adapter interface: what a codec must offer to be compared.

A codec turns an 8-bit RGB image and the value of a rate knob into bytes, and bytes alone into an image.
It knows nothing of data sets, targets or metrics.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import ClassVar

from isorate.codecs.options import Option, check_fields, option, option_fields
from isorate.image import Image

__all__ = ["Codec", "Image", "Knob", "Option", "TwoKnobCodec", "option"]


@dataclass(frozen=True, slots=True)
class Knob:
    """A rate knob: the number that a codec's user turns to change the file size.

    Attributes
    ----------
    name
        The field's term: ``quality``, ``qp``, ``cratio``, ``lmbda``, ``bin_size``.
    low, high
        The range, both ends included.
    integer
        Whether only whole numbers are accepted.
    rising
        Whether a larger value gives a larger file.
    log
        Whether log rate is closer to linear in the knob's logarithm than in the knob itself.
    default
        The operating point when the codec is the anchor and none is given.
    typical
        ``(knob, bpp)`` points of an ordinary photograph's rate curve, knob ascending. The matcher starts from
        this curve and bends it to what it measures; a wrong curve costs probes, never accuracy.
    """

    name: str
    low: float
    high: float
    integer: bool
    rising: bool
    log: bool = True
    default: float | None = None
    typical: tuple[tuple[float, float], ...] = ()

    def clip(self, value: float) -> float:
        """Return the accepted value nearest to `value`."""
        value = min(max(value, self.low), self.high)
        return float(round(value)) if self.integer else value


class Codec(ABC):
    """A codec with fixed options and one rate knob.

    A subclass is a frozen dataclass whose fields are its options, checked by their annotations: ``Literal`` names the
    values allowed. Two codecs of equal options are equal. Instances are cheap and pickle, since worker processes make
    them anew; heavy resources are loaded on first use. A class with properties of its own for all of this (`options`
    above all) is a codec as well; it is compared by `options`.

    Examples
    --------
    >>> from isorate.codecs.jpeg import Jpeg
    >>> Jpeg(chroma="444").options
    {'mode': 'continuous', 'chroma': '444', 'optimize': True, 'progressive': False}
    >>> Jpeg() == Jpeg(chroma="420")
    True
    """

    name: ClassVar[str]
    """The registry's name: ``jpeg2000``."""
    label: ClassVar[str]
    """The name that a reader sees: ``JPEG2000``."""
    suffix: str
    """The file extension of a stream, dot included."""
    other_suffixes: ClassVar[Mapping[str, str]] = {}
    """Further extensions of streams that it writes and reads, each with the options for them as a spec has them."""

    def __post_init__(self) -> None:
        """Check the options of a dataclass."""
        check_fields(self)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Codec) and self.options == other.options

    def __hash__(self) -> int:
        return hash((type(self), frozenset(self.options.items())))

    @property
    @abstractmethod
    def knob(self) -> Knob:
        """The rate knob."""

    @property
    @abstractmethod
    def backend(self) -> str:
        """The program or library that makes the bits, with its version: it stands in every result row.

        Raises
        ------
        CodecUnavailableError
            When it is missing; the message says what to install.
        """

    @property
    def options(self) -> dict[str, Option]:
        """Every option that changes the bits (chroma subsampling, mode, ...), for the rows and the cache's key."""
        if not is_dataclass(self):
            raise TypeError(f"{type(self).__name__}: decorate it with @dataclass(frozen=True), or define options")
        return {
            key: getattr(self, item.name)
            for key, item in option_fields(type(self)).items()
            if item.metadata.get("changes_bits", True)
        }

    @abstractmethod
    def encode(self, image: Image, knob: float) -> bytes:
        """Return the whole file for `image` at `knob`, header included."""

    @abstractmethod
    def decode(self, data: bytes) -> Image:
        """Return the image that the bytes alone describe.

        Raises
        ------
        BitstreamError
            When `data` is damaged, truncated or of another format.
        """

    def header_bytes(self, data: bytes) -> int | None:
        """Return how many bytes of `data` carry no picture data, or None when the format gives no clear answer."""
        return None


class TwoKnobCodec(Codec):
    """A codec with a fine knob beside the coarse one (the learned codec's bin size beside its λ)."""

    @property
    @abstractmethod
    def fine_knob(self) -> Knob:
        """The second rate knob."""

    @property
    @abstractmethod
    def fine_default(self) -> float:
        """The fine knob's value when only the coarse knob is given."""

    def knob_for(self, image: Image) -> Knob:
        """Return the coarse knob, with the rate curve expected of `image` if the codec can tell before encoding it."""
        return self.knob

    def fine_knob_at(self, knob: float) -> Knob:
        """Return the fine knob, with its rate curve where the coarse knob is at `knob`."""
        return self.fine_knob

    def solve(self, image: Image, num_bytes: float) -> tuple[float, float] | None:
        """Return both knobs' values for a file of `num_bytes`, if the codec has a way of its own to choose them."""
        return None

    @abstractmethod
    def encode(self, image: Image, knob: float, fine: float | None = None) -> bytes:
        """Return the whole file for `image` at both knobs; `fine` defaults to :attr:`fine_default`."""
