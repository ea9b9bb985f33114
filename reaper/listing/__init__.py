"""Pages of any provider, folded to one snapshot that knows whether it is complete."""
