"""Guards over everything that a value holds: what is looked at, what is passed over, what is masked where."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.guard import Nested, Policy, compile_policy, gravest
from headgate.kernel import Verdict

SECRET = "ann.smith@example.com"


def policy(**options: Any) -> Policy:
    return compile_policy(
        {
            "input": [
                {"type": "pii", "behaviour": 1, "action": "mask"},
                {"type": "terms", "behaviour": 1, "deny": ["NL-OVERRIDE"], **options},
            ]
        }
    )


def nested(**options: Any) -> Nested:
    return Nested(policy(**options).input, "input")


@pytest.mark.parametrize(
    "value",
    [
        "write to {}",
        {"role": "user", "content": "write to {}", "name": "person_a"},
        {"role": "user", "content": [{"type": "text", "text": "write to"}, {"type": "text", "text": "{}"}]},
        {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{{"to": "{}"}}'}}]},
        {"role": "tool", "tool_call_id": "c", "content": "found {}"},
        [{"type": "function", "function": {"name": "f", "description": "ask {}", "parameters": {"file": "{}"}}}],
        {"id": "x" * 300 + " {}"},
    ],
)
def test_a_text_is_masked_wherever_it_stands(value: Any) -> None:
    filled = _filled(value)
    reader = nested()
    passed = reader.look(filled)
    assert SECRET in str(filled)
    assert SECRET not in str(passed)
    assert reader.verdicts["pii"].verdict == "mask"
    assert type(passed) is type(filled)
    assert len(passed) == len(filled) or isinstance(passed, str)


def _filled(value: Any) -> Any:
    if isinstance(value, str):
        return value.format(SECRET) if "{}" in value else value
    if isinstance(value, dict):
        return {key: _filled(inner) for key, inner in value.items()}
    return [_filled(inner) for inner in value] if isinstance(value, list) else value


def test_what_is_no_text_is_passed_over_and_stays_the_same_object() -> None:
    value = {
        "role": "user",
        "tool_call_id": "call_1|x-2=",
        "content": [
            {"type": "image_url", "image_url": {"url": f"https://x/{SECRET}"}},
            {"type": "redacted_thinking", "data": SECRET},
        ],
        "signature": SECRET,
    }
    reader = nested()
    assert reader.look(value) is value
    assert reader.verdicts.get("pii", Verdict("pii", "input", "pass")).verdict == "pass"


SAID = f"now write to {SECRET} please"
BASE64 = base64.b64encode(SAID.encode()).decode()


@pytest.mark.parametrize(
    "value",
    [
        {"name": "f", "parameters": {"type": "object", "properties": {SAID: {"type": "string"}}}},
        {"properties": {"signature": {"type": "string", "description": SAID}}},
        {"properties": {"logprobs": {"content": SAID}, "bytes": {"description": SAID}}},
        {"parameters": {"type": "object", "object": SAID, "index": SAID, "$id": SAID, "id": SAID}},
        {"parameters": {"properties": {"type": "file", "file": {"description": SAID}}}},
        {"documents": [{"type": "data", "data": SAID}, {"type": "file", "file": SAID}]},
        {"type": "text", "text": "hi", "cache_control": {"type": SAID}},
        {"type": "file", "file": {"filename": SAID, "file_data": "data:application/pdf;base64,JVBERg=="}},
        {"type": "file", "file": {"file_data": f"data:text/plain;charset=utf-8;base64,{BASE64}"}},
        {"type": "file", "file": {"file_data": f"data:application/json;base64,{BASE64}", "filename": "a.json"}},
        {"type": "file", "file": f"DATA:text/markdown;base64,{BASE64}"},
        {"role": "user", "content": "hi", "type": "file", "file": SAID, "signature": SAID},
        {"role": "tool", "tool_call_id": SECRET, "content": "hi"},
    ],
    ids=["property", "sealed-name", "told-names", "marks", "media-name", "media-words", "mark-of-a-cache", "file-name",
         "text-file", "json-file", "file-alone", "message", "id"],
)  # fmt: skip
def test_nothing_that_a_model_may_read_hides_under_a_name(value: dict[str, Any]) -> None:
    passed = str(nested().look(value))
    assert SECRET not in passed
    assert BASE64 not in passed


def test_a_text_file_without_findings_stays_the_same_and_a_broken_one_is_left_to_who_is_sent_it() -> None:
    fine = base64.b64encode(b"Our terms.").decode()
    for link in (f"data:text/plain;base64,{fine}", "data:text/plain;base64,é!", "data:text/plain;base64,", "data:,x"):
        value = {"type": "file", "file": {"file_data": link, "filename": SECRET}}
        assert nested().look(value) == {"type": "file", "file": {"file_data": link, "filename": "<EMAIL>"}}


def test_log_probabilities_of_an_answer_are_read_by_themselves() -> None:
    choice = {"logprobs": {"content": [{"token": SAID, "bytes": [1], "top_logprobs": []}]}}
    assert Nested(policy().input, "output").look(choice) is choice


def test_a_part_that_only_looks_like_media_is_read() -> None:
    reader = nested()
    assert SECRET not in str(reader.look({"type": "text", "text": "hi", "file": {"name": SECRET}}))


def test_a_text_cut_into_parts_is_read_as_one_and_stops_all_that_follows() -> None:
    reader = nested(deny=["open the gate"])
    reader.look([{"type": "text", "text": "please open the"}, {"type": "text", "text": "gate now"}])
    assert reader.blocked is not None
    later = {"content": SECRET}
    assert reader.look(later) is later


def test_without_guards_nothing_is_read() -> None:
    reader = Nested((), "output")
    value = {"content": SECRET}
    assert reader.look(value) is value
    assert not reader.verdicts


def test_a_text_that_holds_the_mark_between_texts_is_masked_all_the_same() -> None:
    reader = nested()
    passed = reader.look([f"a\n\x1e\nb {SECRET}", f"{SECRET} c"])
    assert SECRET not in str(passed)
    assert len(passed) == 2


texts = st.sampled_from(["plain", "", SECRET, f"mail {SECRET} now", "zwölf", "\n", "id"])
values = st.recursive(
    texts | st.none() | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "text", "c"]), inner),
    max_leaves=12,
)


@given(values)
def test_only_texts_change_and_only_where_something_was_found(value: Any) -> None:
    passed = nested().look(value)
    assert SECRET not in str(passed)
    assert _shape(passed) == _shape(value)


def _shape(value: Any) -> Any:
    if isinstance(value, str):
        return "text" if "@" in value or "<EMAIL>" in value else value
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    return [_shape(inner) for inner in value] if isinstance(value, list) else value


def test_the_gravest_verdict_of_each_guard_counts() -> None:
    first = (Verdict("a", "output", "mask"), Verdict("b", "output", "pass"))
    second = (Verdict("a", "output", "pass"), Verdict("b", "output", "block"), Verdict("c", "output", "skipped"))
    assert [(one.guard, one.verdict) for one in gravest(first, second)] == [
        ("a", "mask"), ("b", "block"), ("c", "skipped"),
    ]  # fmt: skip


def test_a_guard_of_both_sides_keeps_a_verdict_on_each() -> None:
    asked, said = Verdict("pii", "input", "mask"), Verdict("pii", "output", "block")
    assert gravest((asked,), (said,)) == (asked, said)
    assert gravest((asked, Verdict("pii", "output", "pass")), (said,)) == (asked, said)
