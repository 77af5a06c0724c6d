"""The adapter interface: what a codec must offer to be compared.

A codec turns an 8-bit RGB image and the value of a rate knob into bytes, and bytes alone into an image.
It knows nothing of data sets and anchors.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from numbers import Real
from pathlib import Path
from typing import ClassVar

from isorate.codecs.options import Option, check_fields, option, option_fields
from isorate.errors import CodecError
from isorate.image import Image, array_problem
from isorate.matching.goal import QualityGoal
from isorate.matching.knob import Knob
from isorate.matching.outcome import Files, Match, Policy, QualityMatch
from isorate.matching.search import match_quality, match_size
from isorate.matching.two_knobs import TwoKnobs, match_two_knobs, match_two_knobs_to_quality
from isorate.plugins import TELL

__all__ = ["Codec", "Image", "Knob", "Option", "TwoKnobCodec", "option"]


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

    @property
    def encoder_files(self) -> Sequence[Path]:
        """Files beside the adapter's own code that make the bits: programs, scripts.

        Their content is part of the codec's identity: a number is never taken from a cache, or from an earlier start of
        a run, when another program or script made it. The adapter's own package is part of it without a word.
        """
        return ()

    @property
    def decoder_files(self) -> Sequence[Path]:
        """Files beside the adapter's own code that make the pixels of a stream; see :attr:`encoder_files`."""
        return ()

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

    def encode_to_size(
        self,
        image: Image,
        num_bytes: float,
        *,
        tolerance_pct: float = 0.5,
        policy: Policy = Policy.NEAREST,
        encode: Callable[..., bytes] | None = None,
    ) -> tuple[bytes, Match]:
        """Return the file whose size `policy` prefers for `num_bytes`, and how it was found.

        This is the one way to a size, for every codec: here a search over the knob. A codec that chooses among several
        files of one size, or fits itself to a size, overrides it and answers for every tolerance and policy.

        Parameters
        ----------
        image
            (height, width, 3), uint8, sRGB.
        num_bytes
            Size of the whole file, above 0; a real number, since a target in bpp seldom is whole.
        tolerance_pct, policy
            See :func:`isorate.matching.search.match_size`.
        encode
            Called as ``encode(image, *knobs)`` for a file at given knobs, in place of :meth:`encode`: a run keeps these
            files. An override that makes its file in another way need not call it.

        Returns
        -------
        The file, of ``best.num_bytes`` bytes, and the outcome; its trace has the files of this codec that were made.

        Raises
        ------
        MatchError
            Under ``strict`` when the nearest is outside the tolerance, or when `num_bytes` is not a positive number.
        """
        files = Files(encode or self.encode, image)
        found = match_size(
            files.size, self.knob, num_bytes,
            num_pixels=image.shape[0] * image.shape[1], tolerance_pct=tolerance_pct, policy=policy,
        )  # fmt: skip
        return files[found.best.knobs], found

    def encode_to_quality(
        self,
        image: Image,
        goal: QualityGoal,
        measure: Callable[[bytes], float],
        *,
        encode: Callable[..., bytes] | None = None,
    ) -> tuple[bytes, QualityMatch]:
        """Return the file whose pixels are nearest to a quality, and how it was found: a search over the knob.

        A codec that overrides :meth:`encode_to_size` and is to be compared at equal quality overrides this as well.

        Parameters
        ----------
        image
            (height, width, 3), uint8, sRGB.
        goal
            What is asked for.
        measure
            Returns the quality of a whole file's pixels, on the goal's scale; it decodes the file.
        encode
            As for :meth:`encode_to_size`.

        Raises
        ------
        CodecError
            When the codec's way to a size is one of its own and it has none to a quality.
        MatchError
            When the goal cannot be driven to, or under ``strict`` when the nearest is outside the tolerance.
        """
        _check_way_to_quality(self)
        files = Files(encode or self.encode, image)
        found = match_quality(
            lambda knob: files.probe(measure, knob), self.knob, goal, num_pixels=image.shape[0] * image.shape[1]
        )
        return files[found.best.knobs], found

    def knobs_at(self, knob: float) -> tuple[float, ...]:
        """Return the values of all knobs, as `encode` takes them, where the rate knob alone is given, as `knob`."""
        return (knob,)

    def header_bytes(self, data: bytes) -> int | None:
        """Return how many bytes of `data` carry no picture data, or None when the format gives no clear answer."""
        return None

    def bits_by_part(self, data: bytes) -> dict[str, float] | None:
        """Return how many bits of `data` each of its parts takes, or None when the adapter does not tell them apart.

        Raises
        ------
        BitstreamError
            When `data` is damaged.
        """
        return None


def _check_way_to_quality(codec: Codec) -> None:
    """Refuse a codec whose class changes the way to a size and not the one to a quality: its files are other ones."""

    def depth(method: str) -> int:
        return next(at for at, some in enumerate(type(codec).__mro__) if method in vars(some))

    if depth("encode_to_size") < depth("encode_to_quality"):
        raise CodecError(
            f"{codec.name}: it makes its files for a size in a way of its own, and has none to a quality; leave it out "
            "of a run with --match, or give its class an encode_to_quality"
        )


def decoded_by(codec: Codec, data: bytes) -> Image:
    """Return what `codec`, of anyone's package, decodes a file to, if that is a picture.

    Raises
    ------
    CodecError
        When it is none: its pixels would be written and measured as something else. And what decoding raises.
    """
    pixels = codec.decode(data)
    if problem := array_problem(pixels):
        raise CodecError(f"codec {codec.name}: decode returned {problem}; {TELL}")
    return pixels


def encoded_by(codec: Codec, image: Image, *knobs: float) -> bytes:
    """Return what `codec`, of anyone's package, encodes an image to, if that is a file.

    Raises
    ------
    CodecError
        When it is none. And what encoding raises.
    """
    return file_of(codec, codec.encode(image, *knobs), f"at knob {', '.join(f'{value:g}' for value in knobs)}")


def file_of(codec: Codec, made: object, where: str) -> bytes:
    """Return what a codec gave as a file; `where` says for the message which one it should have been.

    Raises
    ------
    CodecError
        When it is no file: it would be written, or its length taken for a size.
    """
    if not isinstance(made, bytes | bytearray | memoryview):
        raise CodecError(f"codec {codec.name}: encode returned {type(made).__name__} {where}, no bytes; {TELL}")
    data = bytes(made)
    if not data:
        raise CodecError(f"codec {codec.name}: encode returned an empty file {where}; {TELL}")
    return data


def knob_of(codec: Codec) -> Knob:
    """Return the rate knob of a codec of anyone's package, the coarse one of two.

    Raises
    ------
    CodecError
        When it, or the fine one, is none. And what asking for it raises.
    """
    if isinstance(codec, TwoKnobCodec):
        _value_of(codec, "fine_default", codec.fine_default, _usable(codec, "fine knob", codec.fine_knob))
    return _usable(codec, "knob", codec.knob)


def _value_of(codec: Codec, what: str, value: object, knob: Knob) -> float:
    if not isinstance(value, Real) or not knob.low <= float(value) <= knob.high:
        needed = f"a number from {knob.low:g} to {knob.high:g} is needed"
        raise CodecError(f"codec {codec.name}: its {what} is {value!r}; {needed}; {TELL}")
    return float(value)


def _usable(codec: Codec, what: str, knob: object) -> Knob:
    if not isinstance(knob, Knob):
        raise CodecError(f"codec {codec.name}: its {what} is {type(knob).__name__}, no Knob; {TELL}")
    if problem := knob.problem():
        raise CodecError(f"codec {codec.name}: its {what} {knob.name} cannot be used: {problem}; {TELL}")
    return knob


def backend_of(codec: Codec) -> str:
    """Return what a codec of anyone's package calls the program or library that makes its bits.

    Raises
    ------
    CodecError
        When it is no text. And what asking for it raises.
    """
    backend: object = codec.backend
    if not isinstance(backend, str):
        raise CodecError(f"codec {codec.name}: its backend is {type(backend).__name__}, no text; {TELL}")
    return backend


class TwoKnobCodec(Codec):
    """A codec with a fine knob beside the coarse one (the learned codec's bin size beside its λ)."""

    @property
    @abstractmethod
    def fine_knob(self) -> Knob:
        """The second rate knob."""

    @property
    @abstractmethod
    def fine_default(self) -> float:
        """The fine knob's value when neither is given."""

    def knob_for(self, image: Image) -> Knob:
        """Return the coarse knob, with the rate curve expected of `image` if the codec can tell before encoding it."""
        return self.knob

    def fine_knob_at(self, knob: float) -> Knob:
        """Return the fine knob, with its rate curve where the coarse knob is at `knob`."""
        return self.fine_knob

    def fine_default_at(self, knob: float) -> float:
        """Return the fine knob's value when the coarse one is given alone, at `knob`."""
        return self.fine_default

    def knobs_at(self, knob: float) -> tuple[float, ...]:
        """See :meth:`Codec.knobs_at`: `knob` is the coarse one's value."""
        return (knob, self._checked_default_at(knob))

    def knobs_for(self, image: Image) -> TwoKnobs:
        """Return both knobs as a search on `image` takes them."""
        return TwoKnobs(self.knob_for(image), self._checked_knob_at, self._checked_default_at)

    def _checked_knob_at(self, knob: float) -> Knob:
        return _usable(self, f"fine_knob_at({knob:g})", self.fine_knob_at(knob))

    def _checked_default_at(self, knob: float) -> float:
        value = self.fine_default_at(knob)
        return _value_of(self, f"fine_default_at({knob:g})", value, self._checked_knob_at(knob))

    def encode_to_size(
        self,
        image: Image,
        num_bytes: float,
        *,
        tolerance_pct: float = 0.5,
        policy: Policy = Policy.NEAREST,
        encode: Callable[..., bytes] | None = None,
    ) -> tuple[bytes, Match]:
        """See :meth:`Codec.encode_to_size`: the coarse knob brings the size near, the fine one to the target."""
        files = Files(encode or self.encode, image)
        found = match_two_knobs(
            files.size, self.knobs_for(image), num_bytes,
            num_pixels=image.shape[0] * image.shape[1], tolerance_pct=tolerance_pct, policy=policy,
        )  # fmt: skip
        return files[found.best.knobs], found

    def encode_to_quality(
        self,
        image: Image,
        goal: QualityGoal,
        measure: Callable[[bytes], float],
        *,
        encode: Callable[..., bytes] | None = None,
    ) -> tuple[bytes, QualityMatch]:
        """See :meth:`Codec.encode_to_quality`: the coarse knob brings the quality near, the fine one to the target."""
        _check_way_to_quality(self)
        files = Files(encode or self.encode, image)
        found = match_two_knobs_to_quality(
            lambda knob, fine: files.probe(measure, knob, fine), self.knobs_for(image), goal,
            num_pixels=image.shape[0] * image.shape[1],
        )  # fmt: skip
        return files[found.best.knobs], found

    @abstractmethod
    def encode(self, image: Image, knob: float, fine: float | None = None) -> bytes:
        """Return the whole file for `image` at both knobs; `fine` defaults to :meth:`fine_default_at`."""
