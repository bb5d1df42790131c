"""Whether words say that the app cannot or will not answer. Called by `grounding` and the scorer `refuses`."""

from __future__ import annotations

import re

from headgate.models import sentences

_REFUSAL = re.compile(
    r"\b(?:i|we)(?: am|'m| are|'re)?(?: really| truly| very)?(?: sorry,? but i| afraid i| afraid that i)?"
    r"(?: simply| just)? ?(?:cannot|can't|can not|could not|couldn't|won't|will not|am not able to|are not able to|"
    r"not able to|unable to|must decline|have to decline|"
    r"do not want to give you a wrong|am not allowed to|are not allowed to|"
    r"must refuse|refuse to|decline to)\b"
    r"|\b(?:i|we) (?:do not|don't) (?:know|have (?:any |enough |that |the |this )?"
    r"(?:information|answer|details|access|data))\b"
    r"|\bi(?: am|'m) (?:sorry|afraid),? (?:but )?(?:that|this) (?:is|isn't|request)\b[^.!?]{0,60}"
    r"|\bas an? (?:ai|language model|assistant),? i (?:cannot|can't|am unable|do not|don't)\b"
    r"|\b(?:the|my|these) (?:sources?|documents?|handbook) "
    r"(?:do not|don't|does not|doesn't) (?:say|answer|contain|mention|cover)",
    re.I,
)
_SIGNS = ("not", "n't", "unable", "decline", "refuse", "sorry", "afraid")
"""What every refusal holds one of; in another script than ASCII a letter may be written otherwise."""
_SENTENCES = 3


def is_refusal(text: str) -> bool:
    """Return whether one of the first three sentences declines, in the first person, or says that nothing is known."""
    opening = text[:2000]
    plain = opening.replace("’", "'")
    if plain.isascii():
        lowered = plain.lower()
        if not any(sign in lowered for sign in _SIGNS):
            return False
    return bool(_REFUSAL.search(" ".join(sentences(opening)[:_SENTENCES]).replace("’", "'")))
