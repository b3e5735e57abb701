"""Chapters 8, 9, Mail: how good a classifier really is: statistics, baselines, experiments."""
