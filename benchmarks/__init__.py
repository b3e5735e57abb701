"""How fast the library is, beside what a reader would otherwise use: `python -m benchmarks --help`."""
