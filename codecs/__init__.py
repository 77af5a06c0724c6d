"""Codecs: the adapter interface (:mod:`isorate.codecs.base`), the registry and one file a codec."""
