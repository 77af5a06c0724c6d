"""Around the learned codec: export of weights, golden streams, measurements; the commands of ``isorate learned``."""
