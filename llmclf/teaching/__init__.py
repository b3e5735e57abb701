"""Every page: exercises that check themselves, the lines that say what a page was made with, plots."""
