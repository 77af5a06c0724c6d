"""The paper's numbers, recomputed; golden vectors."""
