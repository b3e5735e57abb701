"""Chapters 8 to 10: how good a classifier really is: statistics, opponents, experiments, another task."""
