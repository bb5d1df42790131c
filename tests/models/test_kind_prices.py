"""Price lists: what a file may say, what a release pins of it, what is told when a price moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.kernel import Corrupt, InvalidInput, Usage, plugins, read_yaml
from headgate.models import Price, compile_prices, cost

kind = plugins.load("kinds", "prices")
LIST = """\
prices:
  openai/gpt-5-mini: {input: $0.25, output: $2, cached: $0.025, written: 0.3, reasoning: $3}
  lab/meta/llama: {input: $1, output: $3, tiers: [{above: 1000, input: $2, output: $6}]}
"""


def write(root: Path, text: str = LIST) -> Path:
    (root / "prices").mkdir(exist_ok=True)
    (root / "prices/list.yaml").write_text(text, encoding="utf-8")
    return root


def test_a_list_compiles_to_the_prices_of_its_targets(tmp_path: Path) -> None:
    draft = kind.parse(write(tmp_path), "prices/list")
    assert (draft.kind, draft.references) == ("prices", ())
    found = compile_prices(draft.document)
    assert found["openai/gpt-5-mini"] == Price(
        input="$0.25", output="$2", cached="$0.025", written="$0.3", reasoning="$3"
    )
    assert cost(found["lab/meta/llama"], Usage(1000, 10)) == 1_030_000
    assert cost(found["lab/meta/llama"], Usage(1001, 10)) == 2_062_000
    thought = {"completion_tokens_details": {"reasoning_tokens": 4}}
    assert cost(found["openai/gpt-5-mini"], Usage(0, 10), thought) == 24_000


def test_the_same_prices_in_other_words_are_the_same_version(tmp_path: Path) -> None:
    written = kind.parse(write(tmp_path), "prices/list").digest
    assert (
        kind.parse(write(tmp_path, LIST.replace("$0.25", "0.250").replace("$2,", '"$2.00",')), "prices/list").digest
        == written
    )
    assert kind.parse(write(tmp_path, LIST.replace("$0.25", "$0.26")), "prices/list").digest != written


MISTAKES = [
    ("prices:", "price:", 1, "price", "prices"),
    ("openai/gpt-5-mini:", "gpt-5-mini:", 2, "prices.gpt-5-mini", "write provider/model"),
    ("cached:", "cahced:", 2, "prices.openai/gpt-5-mini.cahced", "'cached'"),
    ("output: $2,", "output: two,", 2, "prices.openai/gpt-5-mini.output", "$0.004"),
    ("output: $2,", "output: -2,", 2, "prices.openai/gpt-5-mini.output", "zero or more"),
    ("output: $2, ", "", 2, "prices.openai/gpt-5-mini.output", "missing"),
    ("above: 1000", "above: 0", 3, "prices.lab/meta/llama.tiers[0].above", "1 or more"),
    ("tiers: [", "tiers: [{above: 1000, input: 1, output: 1}, ", 3, "prices.lab/meta/llama.tiers[1].above", "one of"),
    (LIST[8:], "  {}\n", 1, "prices", "at least 1"),
]


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "told"), MISTAKES, ids=[f"{item[3]} {item[4]}" for item in MISTAKES]
)
def test_a_mistake_names_its_place(tmp_path: Path, old: str, new: str, line: int, key: str, told: str) -> None:
    assert old in LIST
    with pytest.raises(InvalidInput) as caught:
        kind.parse(write(tmp_path, LIST.replace(old, new)), "prices/list")
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line, caught.value.where.key) == ("prices/list.yaml", line, key)
    assert told in str(caught.value)


def test_what_moved_is_told_by_the_million(tmp_path: Path) -> None:
    def document(text: str) -> dict[str, object]:
        return dict(kind.parse(write(tmp_path, text), "prices/list").document)

    old = document(LIST)
    assert kind.explain(old, old) == []
    moved = (
        LIST.replace("$0.25", "$0.3")
        .replace(", reasoning: $3", "")
        .replace("input: $2, output: $6", "input: $2, output: $7")
    )
    assert kind.explain(old, document(moved)) == [
        "input of openai/gpt-5-mini $0.25 → $0.30 per million",
        "reasoning of openai/gpt-5-mini $3 → as output per million",
        "output of lab/meta/llama above 1000 tokens $6 → $7 per million",
    ]
    voice = LIST.replace(", tiers", ", written_1h: $2, audio_input: $8, request: $0.01, context: 1000, tiers")
    assert kind.explain(old, document(voice)) == [
        "written_1h of lab/meta/llama twice the input → $2 per million",
        "audio_input of lab/meta/llama not known → $8 per million",
        "a request to lab/meta/llama $0 → $0.01 beside its tokens",
        "the context of lab/meta/llama not known → 1000 tokens",
    ]
    other = "prices:\n  lab/meta/llama: {input: $1, output: $3, tiers: [{above: 5, input: $4, output: $6}]}\n"
    other += "  a/b: {input: 0, output: $0.0005}\n"
    assert kind.explain(old, document(other)) == [
        "openai/gpt-5-mini has no price here any more",
        "the tier of lab/meta/llama above 5 tokens is new: input $4, output $6",
        "the tier of lab/meta/llama above 1000 tokens is gone",
        "a/b now has a price: input $0, output $0.0005 per million",
    ]


def test_a_stored_list_that_is_none_is_corrupt() -> None:
    assert compile_prices({}) == {}
    with pytest.raises(Corrupt, match="prices"):
        compile_prices({"prices": {"a/b": {"input": "much"}}})


def test_an_editor_takes_what_people_write(tmp_path: Path) -> None:
    import jsonschema_rs

    check = jsonschema_rs.validator_for(kind.model.model_json_schema())
    written = read_yaml(write(tmp_path), "prices/list.yaml").data
    assert check.is_valid(written)
    assert not check.is_valid({"prices": {"a/b": {"input": "$1"}}})
    assert not check.is_valid({"prices": {"a/b": {"input": ["$1"], "output": "$2"}}})
    assert not check.is_valid({"price": {}})
