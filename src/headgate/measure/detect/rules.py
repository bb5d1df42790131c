"""What a rule is, and the groups of words that rules share. Read by the phrase files and by `injection`.

A rule is a pattern over lower-case words with one space around each; it is tried only when one of its trigger words
occurs. `<verb>` stands for a group of `GROUPS`, `<gap4>` for up to four words of any kind. From 0.5 on a weight blocks
by itself; lower ones must meet another family nearby. A change bumps the `behaviour` of guard and scorer `injection`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A phrase: its family, how much it says (0 … 1), and the words or marks of which one calls it up.

    needs: further words, whole ones, of which every match of the pattern holds one; '' when that would spare little.
    """

    name: str
    family: str
    weight: float
    triggers: str | tuple[str, ...]
    pattern: str
    needs: str = ""


def expand(pattern: str) -> str:
    """Put the groups of words into a pattern."""
    for name, words in GROUPS.items():
        pattern = pattern.replace(f"<{name}>", words)
    return re.sub(r"<gap(\d+)>", r"(?:\\w+ ){0,\1}", pattern)


VERBS = (
    "ignore ignores ignoring disregard disregards disregarding forget forgetting override overriding overrule "
    "drop abandon neglect discard overlook erase dismiss unlearn void delete stop don't dont never not longer "
    "aside remove bypass let skip"
)
"""Trigger words of `<verb>`."""
SAYS = (
    "print show reveal repeat output display dump tell give share leak expose write send recite disclose "
    "summarize summarise list copy paste echo quote return read say describe translate spell"
)
"""Trigger words of `<say>`."""
FREES = (
    "unrestricted unfiltered uncensored amoral immoral unethical jailbroken unaligned lawless unhinged "
    "limitless unbound unchained nonmoral"
)
"""Trigger words of `<free>`."""
BOUNDS = (
    "restriction restrictions guideline guidelines rule rules filter filters limitation limitations limits "
    "censorship policies policy moral morals ethics boundaries constraint constraints principles laws "
    "warnings guardrails safeguards"
)
"""Trigger words of `<bound>`."""

INSTRUCTIONS = (
    "instruction instructions directions directive directives guideline guidelines guidance prompt prompts command "
    "commands programming orders"
)
"""The words of `<instruction>`."""
RULES = (
    "rule rules restriction restrictions constraint constraints policies policy protocol protocols safeguard "
    "safeguards guardrail guardrails filter filters training"
)
"""The words of `<rule>`."""

GROUPS = {
    "quiet": (
        "(?:(?:all|any|every|each|of|the|your|these|those|this|that|previous|previously|prior|preceding|above|"
        "earlier|former|past|original|initial|existing|current|given|system|other|safety|ethical|content|moral|and|"
        "or|both|old|such|provided|default|internal|hidden|own|set|about|what|openai|openai's|company|developer|"
        "secret|entire|whole) )"
    ),
    "strong": (
        "(?:all|any|every|your|these|those|previous|previously|prior|preceding|above|earlier|former|past|original|"
        "initial|existing|given|system|other|such|both|hidden|own) "
    ),
    "verb": (
        "(?:ignor(?:e|es|ing)|disregard(?:s|ing)?|forget(?:ting)?|overrid(?:e|ing)|overrule|drop|abandon|neglect|"
        "discard|overlook|erase|dismiss|unlearn|void|delete|stop (?:following|obeying)|(?:do not|don't|dont|"
        "never) (?:follow|obey)|no longer (?:follow|obey)|set aside|remove|bypass|let go of|skip) "
    ),
    "instruction": (
        "(?:instructions?|directions|directives?|guidelines?|guidance|prompts?|commands?|programming|orders) "
    ),
    "rule": (
        "(?:rules?|restrictions?|constraints?|policies|policy|protocols?|safeguards?|guardrails?|filters?|training) "
    ),
    "say": (
        "(?:print|show|reveal|repeat|output|display|dump|tell|give|share|leak|expose|write|send|recite|disclose|"
        "summarize|summarise|list|copy|paste|echo|quote|return|read|say|describe|translate|spell) "
    ),
    "bot": (
        "(?:ai|a i|assistant|model|bot|chatbot|gpt|chatgpt|llm|persona|twin|character|machine|robot|version|entity|"
        "mode) "
    ),
    "free": (
        "(?:unrestricted|unfiltered|uncensored|amoral|immoral|unethical|jailbroken|unaligned|lawless|unhinged|"
        "limitless|unbound|unchained|nonmoral) "
    ),
    "bound": (
        "(?:restrictions?|guidelines?|rules|filters?|limitations?|limits|censorship|policies|morals?|ethics|"
        "boundaries|constraints?|principles|laws|warnings|guardrails|safeguards) "
    ),
    "kind": (
        "(?:(?:any|all|your|its|his|their|the|ethical|moral|legal|content|safety|or|and|of|openai|openai's|typical|"
        "standard|usual|normal|social|programmed) )"
    ),
}
