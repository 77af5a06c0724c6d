"""From a plan to rows: points, cells, workers, cache, reproduce."""
