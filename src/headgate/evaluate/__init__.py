"""Floor 6: suites run against a release through the one execution path, evidence per case, comparison."""

from .cases import answer_document, judge, request_of
from .compare import Compare, Comparison, Pair, compare, pair_up, pairs
from .naming import find_release
from .rows import CaseRow, Evidence, cases_of, evidence_named, evidence_of, insert_missing, verdicts_of
from .run import Evaluate, EvidenceResult, SuitePin, run
from .scenarios import Expectation, Message, Scenario, Suite, expectation_of
from .show import CaseShown, EvidenceShow, EvidenceShown, show
from .summary import cost_summary, latency_summary

__all__ = [
    "CaseRow", "CaseShown", "Compare", "Comparison", "Evaluate", "Evidence", "EvidenceResult", "EvidenceShow",
    "EvidenceShown", "Expectation", "Message", "Pair", "Scenario", "Suite", "SuitePin", "answer_document",
    "cases_of", "compare", "cost_summary", "evidence_named", "evidence_of", "expectation_of",
    "find_release", "insert_missing", "judge", "latency_summary", "pair_up", "pairs", "request_of",
    "run", "show", "verdicts_of",
]  # fmt: skip
