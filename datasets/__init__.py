"""Data sets: named lists of images, found, checked and decoded to 8-bit RGB."""
