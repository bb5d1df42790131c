"""Monitors: one file, one watched signal."""
