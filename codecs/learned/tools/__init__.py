"""Programs around the learned codec: export of weights, golden streams, measurements."""
