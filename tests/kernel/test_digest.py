"""Identity: golden vectors that may never change, and the properties that make a digest one.

A failing vector means that every stored id would change: correct the code, never the file.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from headgate.kernel import (
    InvalidInput,
    blob_digest,
    canonical,
    digest,
    document_of,
    is_digest,
    normalise,
    short,
)

VECTORS = Path(__file__).parents[1] / "vectors"


def vectors(name: str) -> list[Any]:
    return [pytest.param(found, id=found["what"]) for found in json.loads((VECTORS / f"{name}.json").read_text())]


@pytest.mark.parametrize("vector", vectors("digests"))
def test_documents_have_the_bytes_and_the_digest_they_always_had(vector: dict[str, Any]) -> None:
    content = canonical(vector["document"])
    assert content == vector["canonical"].encode()
    assert digest(vector["kind"], vector["schema"], content) == vector["digest"]
    assert (
        hashlib.sha256(f"{vector['kind']}\0{vector['schema']}\0".encode() + content).hexdigest() == vector["digest"][7:]
    )


@pytest.mark.parametrize("vector", vectors("blobs"))
def test_bytes_have_the_digest_that_sha256sum_prints(vector: dict[str, Any]) -> None:
    assert blob_digest(vector["text"].encode()) == vector["digest"]


@pytest.mark.parametrize("vector", vectors("texts"))
def test_texts_have_one_normal_form(vector: dict[str, Any]) -> None:
    assert normalise(vector["text"]) == vector["normal"]


def test_the_vectors_are_the_ones_that_were_agreed() -> None:
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in VECTORS.glob("*.json")}
    assert {name: sums[name] for name in SUMS} == SUMS


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-(2.0**52), 2.0**52)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abä€😀"), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(_JSON)
def test_canonical_bytes_are_json_and_a_fixed_point(value: Any) -> None:
    content = canonical(value)
    again = json.loads(content)
    assert canonical(again) == content
    assert again == value


@given(st.dictionaries(st.text(max_size=4).filter(str.isprintable), st.integers(0, 9), max_size=5))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, -(2**53), "\ud800", {1, 2}, object()])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        canonical({"value": value})


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_normal_text_stays_as_it_is(text: str) -> None:
    once = normalise(text)
    assert "\r" not in once
    if not once.startswith("\ufeff"):
        assert normalise(once) == once


def test_digests_are_recognised_and_shortened() -> None:
    name = blob_digest(b"x")
    assert is_digest(name)
    for other in (name[:-1], name + "0", name.upper(), name[7:], "", f"{name}\n"):
        assert not is_digest(other)
    assert short(name) == name[7:19]
    assert short("models/router") == "models/router"


class Part(BaseModel):
    size: int = 3


class Whole(BaseModel):
    name: str
    part: Part = Part()
    items: tuple[str, ...] = ()
    schema_: int = Field(1, alias="schema")


def test_keys_equal_to_their_default_are_left_out() -> None:
    assert document_of(Whole(name="a", part=Part(size=3), items=(), schema=1)) == {"name": "a"}
    assert document_of(Whole(name="a", part=Part(size=4), schema=2)) == {"name": "a", "part": {"size": 4}, "schema": 2}


SUMS = {
    "blobs.json": "67deb4188f8f8e30f29aaa01d3f7874f265014a802c550c32e3f39e3635553f2",
    "digests.json": "2b2e9b4b2179f30c2eb34ff384a166ff211a5c42f9cfefab36bf7beb154b6fa0",
    "texts.json": "6402c12e314d38ff44ee9189b1378c41f0408e46633078bd4073d42e400da16e",
}
"""Digests of the vector files themselves: a vector may be added with its file's new sum, never changed."""
