"""How well and how fast retrieval and quoting work, on public data and on the support template's own handbook.

CACM: nDCG@10 and recall@10 (public BM25 without stemming: .420 / .303). COVID-QA: whether an answer lies in the top-k
chunks of all 98 documents, and token F1 of the quoted answer. Handbook: golden facts found and cited by `extractive`,
questions without an answer refused. Data that is absent is skipped.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from headgate.kernel import blob_digest, parse_yaml, plugins
from headgate.models import CANNOT, quote, words
from headgate.retrieve import Retriever, compile_retrieval

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
TEMPLATE = ROOT / "src" / "headgate" / "templates" / "support"


def compiled(pages: Mapping[str, str], settings: Mapping[str, Any]) -> Retriever:
    """Compile pages that lie in memory, with the settings of a retrieval's document."""
    blobs = {blob_digest(text.encode()): text.encode() for text in pages.values()}
    corpus = [{"path": path, "digest": blob_digest(text.encode())} for path, text in pages.items()]
    defaults = {
        "chunker": {"type": "markdown"},
        "embedder": {"type": "hashed"},
        "store": {"type": "embedded"},
        "fusion": {"type": "rrf"},
    }
    return compile_retrieval({**defaults, **settings, "corpus": corpus}, blobs.__getitem__)


def jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def cacm(settings: Mapping[str, Any]) -> dict[str, float]:
    folder = DATA / "retrieval" / "cacm"
    docs = {doc["_id"]: f"# {doc['title']}\n\n{doc['text']}" for doc in jsonl(folder / "corpus.jsonl")}
    relevant: dict[str, dict[str, int]] = defaultdict(dict)
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        query, doc, grade = line.split("\t")
        relevant[query][doc] = int(grade)
    retriever = compiled(docs, {"chunker": {"type": "markdown", "max_tokens": 4000}, **settings})
    gains, recalls = [], []
    for query in jsonl(folder / "queries.jsonl"):
        wanted = relevant.get(query["_id"])
        if wanted:
            ranked = list(dict.fromkeys(passage.source for passage in retriever.search(query["text"], 20)))[:10]
            gains.append(ndcg([wanted.get(doc, 0) for doc in ranked], list(wanted.values())))
            recalls.append(sum(doc in wanted for doc in ranked) / len(wanted))
    return {"ndcg@10": statistics.mean(gains), "recall@10": statistics.mean(recalls), "queries": len(gains)}


def ndcg(grades: list[int], ideal: list[int], depth: int = 10) -> float:
    def total(values: list[int]) -> float:
        return sum((2**grade - 1) / math.log2(rank + 2) for rank, grade in enumerate(values[:depth]))

    return total(grades) / total(sorted(ideal, reverse=True))


def covidqa(settings: Mapping[str, Any], sample: int = 3) -> dict[str, float]:
    folder = DATA / "rag"
    docs = {doc["_id"]: doc["text"] for doc in jsonl(folder / "covidqa_docs.jsonl")}
    retriever = compiled(docs, settings)
    hits: Counter[str] = Counter()
    scores, silent = [], 0
    cases = [case for number, case in enumerate(jsonl(folder / "covidqa_qa.jsonl")) if number % sample == 0]
    for case in cases:
        answers = [" ".join(words(answer["text"])) for answer in case["answers"]]
        passages = retriever.search(case["question"], 20)
        texts = [" ".join(words(passage.text)) for passage in passages]
        for depth in (1, 5, 20):
            hits[f"in top {depth}"] += any(answer in text for answer in answers for text in texts[:depth])
        quotes = quote(case["question"], passages[:5], limit=1)
        silent += not quotes
        said = " ".join(found.text for found in quotes)
        scores.append(max(token_f1(said, answer["text"]) for answer in case["answers"]))
    found = {name: count / len(cases) for name, count in hits.items()}
    return {**found, "token F1": statistics.mean(scores), "refused": silent / len(cases), "questions": len(cases)}


def token_f1(said: str, truth: str) -> float:
    ours, theirs = Counter(words(said)), Counter(words(truth))
    shared = sum((ours & theirs).values())
    return 2 * shared / (ours.total() + theirs.total()) if shared else 0.0


def handbook() -> dict[str, float]:
    """Score the template's golden and edge facts: right sentence quoted, right page cited, refusals where due."""
    draft = plugins.load("kinds", "retrieval").parse(TEMPLATE, "retrieval/handbook")
    retriever = compile_retrieval(draft.document, draft.blobs.__getitem__)
    counts: Counter[str] = Counter()
    times = []
    for suite in ("golden", "edge"):
        cases = parse_yaml((TEMPLATE / f"suites/{suite}.yaml").read_text(), suite).data
        for case in cases:
            facts = [check["contains"] for check in case["expect"] if isinstance(check, dict) and "contains" in check]
            pages = [check["cites"] for check in case["expect"] if isinstance(check, dict) and "cites" in check]
            refuses = "refuses" in case["expect"]
            if "input" not in case or not ((facts and pages) or refuses):
                continue
            start = time.perf_counter()
            passages = retriever.search(case["input"])
            times.append(time.perf_counter() - start)
            quotes = quote(case["input"], passages)
            text = " ".join(found.text for found in quotes) or CANNOT
            cited = {passages[found.number - 1].source for found in quotes}
            good = not quotes if refuses else all(fact in text for fact in facts) and cited >= set(pages)
            name = "refused" if refuses else suite
            counts[name] += good
            counts[f"{name} cases"] += 1
    rates = {name: counts[name] / counts[f"{name} cases"] for name in ("golden", "edge", "refused")}
    quick = sorted(times)[len(times) // 2]
    return {**rates, "chunks": len(retriever), "search p50 ms": quick * 1000, "cases": len(times)}


def show(name: str, figures: Mapping[str, float], took: float) -> None:
    cells = "  ".join(f"{key} {value:.3f}" if value % 1 else f"{key} {value:.0f}" for key, value in figures.items())
    print(f"{name:<24} {cells}  ({took:.1f} s)")


def main() -> None:
    both: dict[str, Any] = {}
    only_words = {"fusion": {"type": "rrf", "vectors": 0}}
    only_vectors = {"fusion": {"type": "rrf", "words": 0}}
    benches: list[tuple[str, Any]] = [("handbook", handbook)]
    if DATA.is_dir():
        benches += [
            ("cacm", lambda: cacm(both)),
            ("cacm, words only", lambda: cacm(only_words)),
            ("cacm, vectors only", lambda: cacm(only_vectors)),
            ("covid-qa", lambda: covidqa(both)),
            ("covid-qa, words only", lambda: covidqa(only_words)),
        ]
    for name, bench in benches:
        start = time.perf_counter()
        figures = bench()
        show(name, figures, time.perf_counter() - start)


if __name__ == "__main__":
    main()
