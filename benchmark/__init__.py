"""isorate: image codecs compared at the same file size."""
