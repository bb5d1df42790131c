"""`release diff` tells every difference that can change an answer, in people's terms."""

from __future__ import annotations

from typing import Any

from headgate.release import explain


def test_a_prompt_is_told_line_by_line_and_a_provider_by_key(world: Any) -> None:
    before = world.create()
    world.edit("prompts/answer.md", "Answer shortly.", "Answer at length.")
    world.edit("headgate.yaml", "type: scripted,", "type: scripted, revision: r2,")
    after = world.create()
    told = world.call("release.diff", {"a": before, "b": after})
    by_path = {change["path"]: change for change in told["changes"]}
    assert by_path.keys() == {"prompts/answer", "bot/one"}
    text = "\n".join(by_path["prompts/answer"]["sentences"])
    assert "Answer shortly." in text
    assert "Answer at length." in text
    assert by_path["bot/one"]["sentences"] == ["bot/one: revision is new: r2"]
    assert not told["same"]


def test_parts_that_come_and_go_are_named(world: Any) -> None:
    before = world.create()
    world.write("prompts/other.md", "# user\n\n{{ question }} other\n")
    world.edit("apps/support.yaml", "prompts/answer", "prompts/other")
    told = world.call("release.diff", {"a": before, "b": world.create()})
    changes = {(change["path"], change["change"]) for change in told["changes"]}
    assert {("prompts/other", "added"), ("prompts/answer", "removed"), ("apps/support", "changed")} <= changes


def test_an_environment_is_a_name_for_what_it_serves(world: Any) -> None:
    world.apply()
    digest = world.create()
    world.promote(digest, "dev")
    told = world.call("release.diff", {"a": "dev", "b": digest[:19]})
    assert (told["same"], told["changes"]) == (True, [])


def test_what_no_kind_explains_is_told_key_by_key() -> None:
    old = {"a": 1, "b": {"c": [1, 2]}, "text": "one\ntwo\n", "gone": True}
    new = {"a": 2, "b": {"c": [1, 3]}, "text": "one\n2\n", "new": "x"}
    assert explain("no such kind", old, new) == [
        "a was 1, is 2",
        "b.c[1] was 2, is 3",
        "gone was True, is gone",
        "new is new: x",
        "text:",
        "- two",
        "+ 2",
    ]


def test_prices_are_told_by_the_million(world: Any) -> None:
    plain = world.create()
    world.write("prices/list.yaml", "prices:\n  bot/one: {input: $0.25, output: $2}\n")
    world.edit("apps/support.yaml", "fallback:", "prices: prices/list\nfallback:")
    before = world.create()
    world.edit("prices/list.yaml", "$0.25", "$0.3")
    after = world.create()

    def told(old: str, new: str) -> dict[str, list[str]]:
        changes = world.call("release.diff", {"a": old, "b": new})["changes"]
        return {change["path"]: change["sentences"] for change in changes}

    assert told(before, after) == {"prices/list": ["input of bot/one $0.25 → $0.30 per million"]}
    assert told(plain, before) == {
        "apps/support": ["the app's prices is now prices/list (was not set)"],
        "prices/list": ["the prices prices/list is new"],
    }
