"""The detectors as they were before they were made fast, kept word for word: what every later version has to find.

Called by `test_same_findings` only. The phrases of `injection` and the table of look-alikes are the product's own, so
that a new rule needs no change here. Frozen is the way a text is read and what is looked for in it, but for one thing:
of two types found in the same place, the first wins on every run.
"""

from .injection import find_injection
from .pii import find_pii
from .secrets import find_secrets
from .text import canonical_forms, forms

__all__ = ["canonical_forms", "find_injection", "find_pii", "find_secrets", "forms"]
