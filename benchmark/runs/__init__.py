"""A run folder: rows, manifest, pictures."""
