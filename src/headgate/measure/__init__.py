"""Floor 3: what looks: scorers, detectors, grounding, and the statistics that judge what scorers say."""

from .build import build
from .detect import PII_TYPES, Found, Injection, find_injection, find_pii, find_secrets, mask, merged, warm
from .drift import Column, Moved, Verdict, edges, judge, shares_moved
from .grounding import SUPPORTED, ground
from .refusal import is_refusal
from .score import Row, Score, Scorer, ScorerPlugin, Subject
from .sketch import CategorySketch, NumberSketch, Sketch, add_rows, category, columns_of, load_sketch, merge_sketches
from .stats import Interval, deciding_cases, mean_interval, needed_cases, paired_difference, quantile_interval, wilson
from .text import Form, Reading, canonical_forms, fold, forms, sentences, unleet
from .topics import Looked, Topics, learn_topics, load_topics

__all__ = [
    "PII_TYPES", "SUPPORTED", "CategorySketch", "Column", "Form", "Found", "Injection", "Interval", "Looked",
    "Moved", "NumberSketch", "Reading", "Row", "Score", "Scorer", "ScorerPlugin", "Sketch", "Subject", "Topics",
    "Verdict", "add_rows", "build", "canonical_forms", "category", "columns_of", "deciding_cases", "edges",
    "find_injection", "find_pii", "find_secrets", "fold", "forms", "ground", "is_refusal", "judge", "learn_topics",
    "load_sketch", "load_topics", "mask", "mean_interval", "merge_sketches", "merged", "needed_cases",
    "paired_difference", "quantile_interval", "sentences", "shares_moved", "unleet", "warm", "wilson",
]  # fmt: skip
