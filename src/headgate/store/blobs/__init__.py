"""Blobs: bytes named by their SHA-256, in a folder, in memory or in a bucket."""

from .blobs import Blobs
from .bucket import Bucket

__all__ = ["Blobs", "Bucket"]
