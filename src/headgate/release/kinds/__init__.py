"""Kinds that releases own: the release itself."""
