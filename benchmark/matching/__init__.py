"""Driving a codec to a size."""
