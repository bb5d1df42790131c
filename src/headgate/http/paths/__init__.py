"""Paths at which nothing is, and what is said to whoever asks there."""

from .nowhere import Nowhere, tidied

__all__ = ["Nowhere", "tidied"]
