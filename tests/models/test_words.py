"""Words, stems and sentences, against published stems and awkward texts."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from headgate.models import content_words, sentences, words
from headgate.models.embedders import hashed
from headgate.models.stem import stem

# From the examples in Porter's paper, steps 1a to 5b.
PUBLISHED_PAIRS = """
caresses caress ponies poni ties ti caress caress cats cat feed feed agreed agre plastered plaster bled bled
motoring motor sing sing conflated conflat troubled troubl sized size hopping hop tanned tan falling fall
hissing hiss fizzed fizz failing fail filing file happy happi sky sky relational relat conditional condit
rational ration valenci valenc digitizer digit conformabli conform radicalli radic differentli differ vileli
vile analogousli analog vietnamization vietnam predication predic operator oper feudalism feudal decisiveness
decis hopefulness hope callousness callous formaliti formal sensitiviti sensit sensibiliti sensibl triplicate
triplic formative form formalize formal electriciti electr electrical electr hopeful hope goodness good
revival reviv allowance allow inference infer airliner airlin gyroscopic gyroscop adjustable adjust defensible
defens irritant irrit replacement replac adjustment adjust dependent depend adoption adopt communism commun
activate activ angulariti angular homologous homolog effective effect bowdlerize bowdler probate probat rate
rate cease ceas controll control roll roll
"""
PUBLISHED = PUBLISHED_PAIRS.split()


@pytest.mark.parametrize(("word", "expected"), list(zip(PUBLISHED[::2], PUBLISHED[1::2], strict=True)))
def test_stems_are_those_of_the_paper(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_words_fold_case_accents_hyphens_and_thousands() -> None:
    assert words("The e-mail’s Wi-Fi café costs $1,000.") == ("the", "email", "wifi", "cafe", "costs", "1000")
    assert words("I don't") == ("i", "dont")
    assert words("退货 🙂") == ("退货",)


def test_content_words_are_stems_without_small_words() -> None:
    assert content_words("How do I return the returned devices?") == ("return", "return", "devic")
    assert content_words("what is it?") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It costs $1.50 a day, e.g. Monday. Next.", ["It costs $1.50 a day, e.g. Monday.", "Next."]),
        ("A line that\nwraps over. Then ends.", ["A line that wraps over.", "Then ends."]),
        ("- first\n- second", ["first", "second"]),
        ("To do so:\n- open it;\n- close it.", ["To do so: open it; close it."]),
        ("Open until 5 p.m. Monday to Friday.", ["Open until 5 p.m. Monday to Friday."]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.slow
def test_what_clients_make_up_does_not_fill_memory() -> None:
    """Words and texts are remembered, but few of them, and none that is long (P14)."""
    embedder = hashed.plugin.build(hashed.Options())

    def ask(turn: int) -> None:
        made_up = [f"w{turn}x{number}y{'z' * 12}" for number in range(100)]
        embedder.embed([" ".join(made_up)])
        content_words(" ".join(made_up[:10]))
        content_words(f"it is dry {turn} " * 100)

    tracemalloc.start()
    for turn in range(45):
        ask(turn)
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    for turn in range(45, 60):
        ask(turn)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 1.5 * 2**20
