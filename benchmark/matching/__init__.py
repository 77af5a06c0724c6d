"""Driving a codec to a size: searches over a function that gives the size at the knobs, below every codec."""
