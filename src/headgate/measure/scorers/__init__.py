"""Scorers: one file, one thing that looks; the file name is the name in suites, gates and monitors."""
