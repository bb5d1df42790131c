"""Headgate: the release backbone that classical ML models and LLM applications share."""

__version__ = "0.1.0"
