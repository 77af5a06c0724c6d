"""What the codecs made from video codecs share: YCbCr planes, single pictures through PyAV and FFmpeg, AVIF files."""
