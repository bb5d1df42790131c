"""What providers give, put together."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel import Usage
from headgate.models import Delta, End, joined

END = End("stop", Usage(1, 2), "m")
WORDS = st.sampled_from(("", "", "a", "b "))


@given(st.lists(st.builds(Delta, WORDS, WORDS), max_size=8), st.booleans())
def test_what_came_together_is_joined_in_the_order_in_which_it_was_said(deltas: list[Delta], ended: bool) -> None:
    found = joined([*deltas, END] if ended else deltas)
    assert (found[-1:] == [END]) is ended
    pieces = [event for event in found if isinstance(event, Delta)]
    assert said(pieces) == said(deltas)
    assert bool(pieces) is bool(deltas)
    assert all(piece.text for piece in pieces[:-1])
    assert all(piece.reasoning for piece in pieces[1:])


def said(deltas: list[Delta]) -> list[tuple[str, str]]:
    """Return what was thought and said, in turns."""
    parts = [part for delta in deltas for part in (("thought", delta.reasoning), ("text", delta.text)) if part[1]]
    turns = groupby(parts, key=lambda part: part[0])
    return [(kind, "".join(words for _, words in found)) for kind, found in turns]
