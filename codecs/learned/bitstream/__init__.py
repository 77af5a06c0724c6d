"""The bits of the learned codec: integer priors, probability tables, entropy coding and the file format."""
