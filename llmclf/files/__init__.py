"""Files: what there is, where it comes from, how it is read, checked and written whole. Knows nothing of models."""
