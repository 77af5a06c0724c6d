"""Atomic writes, TOML files, schemas."""
