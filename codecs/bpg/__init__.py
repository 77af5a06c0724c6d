"""BPG (Better Portable Graphics): a small header, the HEVC coding parameters and one intra picture.

Two back ends make and read the same files: the external ``bpgenc``/``bpgdec``, and x265 and FFmpeg's HEVC decoder
inside PyAV's wheel.
"""

from isorate.codecs.bpg.codec import Bpg

__all__ = ["Bpg"]
