"""Floor 3: what looks: scorers, detectors, grounding, and the statistics that judge what scorers say."""

from .build import build
from .detect import PII_TYPES, Found, Injection, find_injection, find_pii, find_secrets, mask, merged, warm
from .grounding import SUPPORTED, ground
from .refusal import is_refusal
from .score import Row, Score, Scorer, ScorerPlugin, Subject
from .stats import Interval, deciding_cases, mean_interval, needed_cases, paired_difference, quantile_interval, wilson
from .text import Form, Reading, canonical_forms, fold, forms, sentences, unleet

__all__ = [
    "PII_TYPES", "SUPPORTED", "Form", "Found", "Injection", "Interval", "Reading", "Row", "Score", "Scorer",
    "ScorerPlugin", "Subject", "build", "canonical_forms", "deciding_cases", "find_injection", "find_pii", "find_secrets", "fold", "forms", "ground",
    "is_refusal", "mask", "mean_interval", "merged", "needed_cases", "paired_difference", "quantile_interval",
    "sentences", "unleet", "warm", "wilson",
]  # fmt: skip
