"""Finding codecs: by name and options, by a file's ending, and all of them as a list."""

from isorate.codecs.registry.adapters import BUILT_IN, at_work, configure, names
from isorate.codecs.registry.endings import codec_for
from isorate.codecs.registry.listing import ListedCodec, list_codecs
from isorate.codecs.registry.spec import CodecSpec

__all__ = ["BUILT_IN", "CodecSpec", "ListedCodec", "at_work", "codec_for", "configure", "list_codecs", "names"]
