"""Chapter 10: several processes train together, files of any size are scored."""
