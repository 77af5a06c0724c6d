"""The bits of the learned codec: integer priors, probability tables, entropy coding and the file format."""

NO_RANGE_CODER = (
    "learned: constriction, the range coder, is missing; pip install constriction (it has wheels for Linux on x86-64, "
    "macOS and Windows, and none for Linux on arm64)"
)
