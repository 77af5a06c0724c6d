"""The network, in the paper's terms: training, export and the encoder run it in floating point."""
