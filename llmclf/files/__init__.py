"""Files: what there is, where it comes from, how it is read and written whole. Knows nothing of models."""
