"""JSON bodies: what is refused, and that nothing is lost of what is not."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.http.bodies import MAX_DEPTH, decode_object
from headgate.kernel import InvalidInput


def nested(depth: int, open_: str = '{"a":', close: str = "}") -> bytes:
    return (open_ * depth + "1" + close * depth).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b'"text"', b"1", b"{'a': 1}", b'{"a": NaN}', b'{"a": 1e999}', b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}", b'{"a": 1}x', b"\x00", b'{"a": "\\ud800"}', b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": 9223372036854775808}', b'{"a": [[-9223372036854775809]]}',
        nested(MAX_DEPTH + 1), nested(100_000), b'{"a":' + nested(MAX_DEPTH, "[", "]") + b"}",
    ],
)  # fmt: skip
def test_a_body_that_is_no_modest_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_object(body)
    assert caught.value.status == 400
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "body",
    [
        nested(MAX_DEPTH), b'{"a": 9223372036854775807}', b'{"a": -9223372036854775808}',
        b'{"a": "9999999999999999999999999"}', b'{"a": "' + b"[" * 200 + b'"}', b'{"a": 0.12345678901234567890}',
        json.dumps({"a": [[1]] * 500}).encode(),
    ],
)  # fmt: skip
def test_a_modest_body_is_taken(body: bytes) -> None:
    assert decode_object(body) == json.loads(body)


@pytest.mark.parametrize("before", range(20))
def test_a_long_number_is_found_wherever_it_stands(before: int) -> None:
    with pytest.raises(InvalidInput, match="64 bits"):
        decode_object(b" " * before + b'{"a": 9223372036854775808}')


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), values, max_size=5))
def test_whatever_json_holds_survives(value: dict[str, object]) -> None:
    assert decode_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_no_bytes_make_anything_but_an_object_or_our_error(body: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        assert isinstance(decode_object(body), dict)
