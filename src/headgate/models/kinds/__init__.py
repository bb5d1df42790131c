"""Kinds of artifact that `models` understands."""
