"""What the codecs with streams of their own share: numbers of 7-bit bytes, and the range coder's words as bytes."""
