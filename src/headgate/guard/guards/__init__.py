"""Guards: one file, one guard that policies may name."""
