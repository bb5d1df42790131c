"""YAML 1.2 that remembers its lines; mistakes told by file, line, key and the nearest valid name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import HeadgateError, InvalidInput, NotFound, dotted, parse_yaml, read_text, read_yaml, validate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("off", "off"), ("y", "y"), ("NO", "NO"),
        ("true", True), ("False", False), ("tRUE", "tRUE"), ("null", None), ("~", None), ("", None),
        ("12", 12), ("-7", -7), ("0", 0), ("0o17", 15), ("0x1F", 31), ("017", 17), ("1_000", "1_000"),
        ("1:30", "1:30"), ("22:22:22", "22:22:22"), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("+1", 1),
        ("2026-11-21", "2026-11-21"), ("2026-11-21T08:00:00Z", "2026-11-21T08:00:00Z"), ("=", "="), ("<<", "<<"),
        ("'12'", "12"), ('"true"', "true"), ("|\n  no\n", "no\n"), (".inf", ".inf"),
        (".nan", ".nan"), ("1e999x", "1e999x"), ("9" * 30, int("9" * 30)), ("-0x1F", "-0x1F"),
        ("0.1.2", "0.1.2"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = parse_yaml(f"key: {text}", "a.yaml").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_lines_are_known_for_every_key_and_item() -> None:
    source = parse_yaml("a: 1\nb:\n  - x\n  - c: 2\n    d: 3\n", "a.yaml", first_line=10)
    places = {(): 1, ("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "c"): 4, ("b", 1, "d"): 5}
    for path, line in places.items():
        assert source.where(path).line == line + 10, path
    where = source.where(("b", 1, "nowhere", "deeper"))
    assert (where.file, where.line, where.key) == ("a.yaml", 14, "b[1].nowhere.deeper")
    assert dotted(("gates", "release", 0, "suite")) == "gates.release[0].suite"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is written twice"),
        ("x:\n  a: 1\n  'a': 3\n", 3, "'a' is written twice"),
        ("a: {b: 1, b: 2}\n", 1, "'b' is written twice"),
        ("a: [1, 2\nb: 3\n", 2, "not valid YAML"),
        ("a:\n\t- 1\n", 2, "not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "not valid YAML"),
        ("a: !!python/name:os.system\n", 1, "not allowed"),
        ("a: 1\nb: !secret x\n", 2, "not allowed"),
        ("a: 1\nb: !secret {x: 1}\n", 2, "not allowed"),
        ("a: 1\n? [b]\n: 2\n", 2, "plain text"),
        ("a: *nowhere\n", 1, "not valid YAML"),
        ("a: 1\nb: \x01\n", None, "not valid YAML"),
    ],
)
def test_what_is_refused_is_told_by_line(text: str, line: int | None, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        parse_yaml(text, "a.yaml")
    assert caught.value.where is not None
    assert caught.value.where.file == "a.yaml"
    assert caught.value.where.line == line or line is None


def test_aliases_work_and_may_not_multiply() -> None:
    assert parse_yaml("a: &x [1]\nb: *x\n", "a.yaml").data == {"a": [1], "b": [1]}
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    with pytest.raises(InvalidInput, match="too large"):
        parse_yaml(bomb, "a.yaml")
    with pytest.raises(InvalidInput, match=r"too large or too deep|not valid YAML"):
        parse_yaml("a: &a\n  b: *a\n", "a.yaml")
    for depth in (70, 5000):
        with pytest.raises(InvalidInput):
            parse_yaml("[" * depth + "]" * depth, "a.yaml")


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@`?,\n \t01.~é"), max_size=40))
def test_any_text_gives_data_or_one_of_our_errors(text: str) -> None:
    try:
        parse_yaml(text, "a.yaml")
    except HeadgateError as problem:
        told = problem
    else:
        return
    assert told.where is not None


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = Field(1, ge=0)
    mode: Literal["fast", "slow"] = "fast"
    in_: tuple[str, ...] = Field((), alias="in")


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    inner: Inner = Inner()
    many: dict[str, Inner] = {}
    items: list[Inner] = []
    either: int | Inner = 0


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        ("name: a\ninnr: {}\n", 2, "innr", "did you mean 'inner'?"),
        ("name: a\ninner:\n  size: 1\n  sise: 2\n", 4, "inner.sise", "did you mean 'size'?"),
        ("name: a\ninner:\n  inn: []\n", 3, "inner.inn", "did you mean 'in'?"),
        ("name: a\nmany:\n  x: {mod: fast}\n", 3, "many.x.mod", "did you mean 'mode'?"),
        ("name: a\nitems:\n- size: 1\n- size: 1\n  moed: fast\n", 5, "items[1].moed", "did you mean 'mode'?"),
        ("name: a\ninner: {mode: fsat}\n", 2, "inner.mode", "did you mean 'fast'?"),
        ("inner: {}\n", 1, "name", "the key 'name' is missing"),
        ("nme: a\n", 1, "nme", "did you mean 'name'?"),
        ("inner: {sise: 1}\n", 1, "name", "the key 'name' is missing"),
        ("name: 5\n", 1, "name", "expected text, found 5"),
        ("name: a\nitems:\n  - size: -1\n", 3, "items[0].size", "expected 0 or more, found -1"),
        ("name: a\ninner: {size: 2k}\n", 2, "inner.size", "expected a whole number, found '2k'"),
        ("name: a\nitems: {size: 1}\n", 2, "items", "expected a list, as in [one, other], found {'size': 1}"),
        ("name: a\ninner: {in: x}\n", 2, "inner.in", "expected a list"),
        ("name: a\nmany: {x: 1}\n", 2, "many.x", "expected a mapping, as in {key: value}, found 1"),
        ("- a\n", 1, None, "expected a mapping of keys, found a list"),
        ("", 1, None, "found nothing"),
        ("just text", 1, None, "found a text"),
    ],
)
def test_mistakes_are_told_by_line_key_and_nearest_name(text: str, line: int, key: str | None, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate(Outer, parse_yaml(text, "a.yaml"))
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line, caught.value.where.key) == ("a.yaml", line, key)
    assert says in str(caught.value)


def test_a_part_of_a_file_is_checked_at_its_place() -> None:
    source = parse_yaml("x:\n  y:\n    sise: 1\n", "a.yaml")
    with pytest.raises(InvalidInput) as caught:
        validate(Inner, source, source.data["x"]["y"], ("x", "y"))
    assert str(caught.value.where) == "a.yaml:3: x.y.sise"


def test_files_are_read_in_normal_form(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + "name: cafe\u0301\r\n".encode())
    assert read_text(tmp_path, "a.yaml") == "name: caf\u00e9\n"
    assert read_yaml(tmp_path, "a.yaml").data == {"name": "caf\u00e9"}


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/answer.md").write_bytes(b"fine\n\xff\n")
    with pytest.raises(NotFound) as missing:
        read_text(tmp_path, "prompts/anser.md")
    assert missing.value.hint == "did you mean 'prompts/answer.md'?"
    with pytest.raises(InvalidInput, match="UTF-8") as binary:
        read_text(tmp_path, "prompts/answer.md")
    assert str(binary.value.where) == "prompts/answer.md:2"
    for name in ("nowhere/a.md", "prompts/answer.md/b"):
        with pytest.raises(NotFound):
            read_text(tmp_path, name)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_text(tmp_path, "prompts")
    (tmp_path / "big.md").write_bytes(b"x" * (16 * 1024 * 1024 + 1))
    with pytest.raises(InvalidInput, match="16 MiB"):
        read_text(tmp_path, "big.md")


def test_a_number_of_the_wrong_kind_names_what_was_found() -> None:
    data: dict[str, Any] = {"size": "many"}
    with pytest.raises(InvalidInput, match="found 'many'"):
        validate(Inner, parse_yaml("size: many", "a.yaml"), data)
