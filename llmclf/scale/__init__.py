"""Chapter 11: several processes train one model, and files of any size are scored."""
