"""What the book's pages need: exercises, provenance lines, plots."""
