"""The one hierarchy of errors: everything that isorate raises on purpose is an :class:`IsorateError`.

A message names the file, the value and the remedy. The command line prints it without a traceback.
"""


class IsorateError(Exception):
    """Base of every error that isorate raises on purpose."""


class ImageError(IsorateError):
    """A file is not an image that can be compared (missing, corrupt, no 8-bit RGB photograph)."""


class DatasetError(IsorateError):
    """A data set is missing, incomplete or not the one its manifest describes."""


class CodecError(IsorateError):
    """A codec failed while encoding or decoding."""


class CodecUnavailableError(CodecError):
    """A codec cannot run here; the message says what to install."""


class BitstreamError(CodecError):
    """A stream is damaged, truncated, foreign or made by another version."""


class MetricError(IsorateError):
    """A metric failed on a pair of pictures."""


class MetricUnavailableError(MetricError):
    """A metric cannot run here; the message says what to install."""


class MatchError(IsorateError):
    """A rate could not be matched as the policy demands."""


class RunError(IsorateError):
    """A run folder cannot be read, written or continued."""


class ReportError(IsorateError):
    """A report, table or figure cannot be made from a run."""


class UsageError(IsorateError):
    """A value given by the user is not usable."""
