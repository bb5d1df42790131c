"""Detectors: personal data, secrets and injected instructions, found by rules and checksums, the same on every run."""

from .found import Found, mask, merged
from .injection import Injection, find_injection
from .pii import PII_TYPES, find_pii, warm
from .secrets import find_secrets

__all__ = ["PII_TYPES", "Found", "Injection", "find_injection", "find_pii", "find_secrets", "mask", "merged", "warm"]
