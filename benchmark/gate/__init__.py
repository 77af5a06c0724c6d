"""The gate: a run compared with a baseline that was accepted before, for a CI."""
