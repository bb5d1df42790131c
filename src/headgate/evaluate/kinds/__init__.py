"""Kinds that evaluation owns: the suite."""
