"""The deny list: found through case, spacing, signs, look-alikes and encodings; not inside other words."""

from __future__ import annotations

import base64
from types import ModuleType

import pytest

from headgate.guard import inspect

DENY = {"type": "terms", "deny": ["NL-OVERRIDE", "KEEP-25", "internal use only", "Straße", "机密"], "action": "mask"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("use NL-OVERRIDE-7741 now", "use <TERM>-7741 now"),
        ("use nl override now", "use <TERM> now"),
        ("use NL\u200b-OVER\u200bRIDE now", "use <TERM> now"),
        ("K.E.E.P.2.5!", "<TERM>!"),
        ("k e e p - 2 5", "<TERM>"),
        ("ＫＥＥＰ－２５", "<TERM>"),
        ("K33P-25", "<TERM>"),
        ("Internal\nuse\tonly.", "<TERM>."),
        ("КЕЕР-25", "<TERM>"),
        ("in der Strasse", "in der <TERM>"),
        ("这是机密文件", "这是<TERM>文件"),
    ],
)
def test_terms_are_found_and_masked(tools: ModuleType, text: str, expected: str) -> None:
    assert inspect(tools.policy(DENY).output, text, "output").text == expected


def test_an_encoded_term_is_masked_whole(tools: ModuleType) -> None:
    text = f"see {base64.b64encode(b'the phrase NL-OVERRIDE').decode()} there"
    assert inspect(tools.policy(DENY).output, text, "output").text == "see <TERM> there"


@pytest.mark.parametrize("text", ["upkeep-25", "KEEP-250", "keep 2", "internally used only", "NL override7"])
def test_other_words_are_left_alone(tools: ModuleType, text: str) -> None:
    assert inspect(tools.policy(DENY).output, text, "output").text == text


def test_what_is_recorded_names_the_place_in_the_list_only(tools: ModuleType) -> None:
    said = inspect(tools.policy(DENY).output, "KEEP-25", "output").verdicts[0]
    assert (said.label, said.value) == ("term 2", 1.0)
    assert "KEEP" not in said.explanation
