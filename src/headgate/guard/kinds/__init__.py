"""The kinds of artifact that guard understands."""
