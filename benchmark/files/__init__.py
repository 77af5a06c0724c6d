"""Atomic writes, TOML files, typed JSON."""
