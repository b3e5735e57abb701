"""Chapters 8 and 9: how good a classifier really is: statistics, baselines, experiments."""
