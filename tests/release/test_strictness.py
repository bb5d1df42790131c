"""P12: no fallback, equal target, hedge or other route is less strict than what is asked first, or than the policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from headgate.kernel import InvalidInput
from headgate.models import Facts
from headgate.release import Check, build, check
from headgate.serve import load

from .conftest import PROJECT, write_project

FACTS: dict[str, dict[str, str]] = {
    "region": {"stricter": "eu-west-1", "equal": "eu", "weaker": "us", "wider": "[eu, us]", "alike": "europe"},
    "retention": {"stricter": "none", "equal": "30d", "weaker": "90d", "almost": "31d"},
    "trains": {"equal": "false", "weaker": "true"},
    "filter": {"equal": "true", "weaker": "false"},
}
"""What another target may declare, against the standard `equal`. Only `stricter` and `equal` are as strict as it."""
HOLDS = {"stricter", "equal"}
SAID = {
    "region": {
        "weaker": "runs in us",
        "wider": "runs in eu or us",
        "alike": "runs in europe",
        "undeclared": "does not say where it runs",
    },
    "retention": {
        "weaker": "keeps what it is sent for 90d",
        "almost": "keeps what it is sent for 31d",
        "undeclared": "does not say how long it keeps what it is sent",
    },
    "trains": {
        "weaker": "trains on what it is sent",
        "undeclared": "does not say whether it trains on what it is sent",
    },
    "filter": {
        "weaker": "has its content filter off",
        "undeclared": "does not say whether its content filter is on",
    },
}


class Wiring(NamedTuple):
    """Where `other/one` stands beside `first/one`, which sets the standard, and the key under which it stands."""

    main: str
    key: str
    second: str = "[first/one]"
    why: str = "which is asked first"


THERE = "which the app's first route asks first"
PLACES = {
    "fallback": Wiring("[first/one, other/one]", "llms.main[1]"),
    "last of many": Wiring("[first/one, first/two, first/three, other/one]", "llms.main[3]"),
    "after one that says nothing of it": Wiring("[first/one, inside/one, other/one]", "llms.main[2]"),
    "equal": Wiring("{targets: [{any: [first/one, other/one]}]}", "llms.main.targets[0].any[1]"),
    "equal by weight": Wiring(
        "{targets: [{any: [{first/one: 9}, first/two, {other/one: 1}]}]}", "llms.main.targets[0].any[2]"
    ),
    "equal fallback": Wiring("[first/one, {any: [first/two, other/one]}]", "llms.main[1].any[1]"),
    "hedge": Wiring("{targets: [first/one, other/one], hedge: 800ms}", "llms.main.targets[1]"),
    "bounded": Wiring(
        "{targets: [first/one, other/one], limits: {other/one: {concurrent: 2}}}", "llms.main.targets[1]"
    ),
    "other route": Wiring("[first/one]", "llms.second[0]", "[other/one]", THERE),
    "fallback of another route": Wiring("[first/one]", "llms.second[1]", "[first/two, other/one]", THERE),
    "equal on another route": Wiring("[first/one]", "llms.second[0].any[1]", "[{any: [first/one, other/one]}]"),
    "after the first of another route": Wiring("[plain/one]", "llms.second[1]", "[first/one, other/one]"),
}
APP = """\
contract: contracts/support
policy: policies/support
route:
  to:
    default: {{llm: main, prompt: prompts/answer}}
    smalltalk: {{llm: second, prompt: prompts/answer}}
llms:
  main: {main}
  second: {second}
  unused: [nowhere/one]
fallback: prompts/safe
"""
PROVIDERS = """\
headgate: 1
project: acme-support
providers:
  first: {{type: scripted{first}}}
  other: {{type: scripted{other}}}
  plain: {{type: scripted{plain}}}
  nowhere: {{type: scripted, facts: {{region: mars, retention: 3650d, trains: true, filter: false}}}}
  inside: {{type: extractive}}
"""
POLICY = "output:\n  - secrets: {action: block}\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("strict") / "project", cases=1)


def wire(root: Path, place: str, first: str = "", other: str = "", plain: str = "", targets: str = "") -> None:
    """Write the project: what three providers declare, and what the policy says of targets, as YAML."""
    wiring = PLACES[place]
    said = {
        name: f", facts: {{{facts}}}" if facts else ""
        for name, facts in (("first", first), ("other", other), ("plain", plain))
    }
    texts = {
        "headgate.yaml": PROVIDERS.format(**said),
        "apps/support.yaml": APP.format(main=wiring.main, second=wiring.second),
        "policies/support.yaml": POLICY + (f"targets: {{{targets}}}\n" if targets else ""),
    }
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")


def refusal(root: Path) -> InvalidInput | None:
    try:
        build(root, "support")
    except InvalidInput as problem:
        return problem
    return None


def assert_told(problem: InvalidInput | None, cell: tuple[str, str, str], root: Path, whose: str) -> None:
    """The refusal names file, line and key, the target, what it is, against what, and what can be done."""
    place, fact, relation = cell
    assert problem is not None
    assert problem.where is not None
    assert (problem.where.file, problem.where.key) == ("apps/support.yaml", PLACES[place].key)
    assert "other/one" in (root / problem.where.file).read_text().splitlines()[(problem.where.line or 0) - 1]
    assert problem.message.startswith(f"other/one {SAID[fact][relation]}, but {whose} ")
    assert f"`facts: {{{fact}: …}}` at providers.other in headgate.yaml" in problem.hint
    assert f"policies/support.yaml: `targets: {{except: {{other/one: {{{fact}: why}}}}}}`" in problem.hint


CELLS = [
    pytest.param(place, fact, relation, id=f"{place}, {fact} {relation}")
    for place in PLACES
    for fact, values in FACTS.items()
    for relation in (*values, "undeclared")
]


def declared(fact: str, relation: str) -> str:
    return "" if relation == "undeclared" else f"{fact}: {FACTS[fact][relation]}"


ALL = pytest.mark.parametrize(("place", "fact", "relation"), CELLS)


@ALL
def test_what_is_asked_first_sets_the_standard(root: Path, place: str, fact: str, relation: str) -> None:
    wire(root, place, first=declared(fact, "equal"), other=declared(fact, relation))
    problem = refusal(root)
    if relation in HOLDS:
        assert problem is None
        return
    assert_told(problem, (place, fact, relation), root, f"first/one, {PLACES[place].why},")


@ALL
def test_without_a_standard_nothing_is_refused(root: Path, place: str, fact: str, relation: str) -> None:
    wire(root, place, other=declared(fact, relation))
    assert refusal(root) is None


@ALL
def test_what_a_policy_demands_holds_for_every_target(root: Path, place: str, fact: str, relation: str) -> None:
    strict = declared(fact, "equal")
    wire(root, place, first=strict, other=declared(fact, relation), plain=strict, targets=strict)
    problem = refusal(root)
    if relation in HOLDS:
        assert problem is None
    else:
        assert_told(problem, (place, fact, relation), root, "policies/support demands that it")


@ALL
def test_a_policy_may_except_a_target_from_a_fact(root: Path, place: str, fact: str, relation: str) -> None:
    excepted = f"except: {{other/one: {{{fact}: agreed by the data protection officer}}}}"
    wire(root, place, first=declared(fact, "equal"), other=declared(fact, relation), targets=excepted)
    assert refusal(root) is None


WRONG = ["{other/two: {region: why}}", "{other/one: {retention: why}}", "{first/one: {region: why}}"]


@pytest.mark.parametrize("excepted", WRONG)
@pytest.mark.parametrize("place", PLACES)
def test_an_exception_is_for_one_target_and_one_fact(root: Path, place: str, excepted: str) -> None:
    wire(root, place, first="region: eu", other="region: us", targets=f"except: {excepted}")
    problem = refusal(root)
    assert problem is not None
    assert problem.message.startswith("other/one runs in us, but first/one, which ")


@ALL
def test_a_policy_that_demands_less_than_the_first_target_is_the_standard(
    root: Path, place: str, fact: str, relation: str
) -> None:
    """What a reviewed policy says of a fact stands in the place of the first target's own."""
    loose = {"region": "region: [eu, us, europe]", "retention": "retention: 90d", "trains": "trains: true"}
    least = loose.get(fact, "filter: false")
    wire(
        root,
        place,
        first=declared(fact, "equal"),
        other=declared(fact, relation),
        plain=declared(fact, "equal"),
        targets=least,
    )
    problem = refusal(root)
    if relation == "undeclared" and fact in ("region", "retention"):
        assert_told(problem, (place, fact, relation), root, "policies/support demands that it")
    else:
        assert problem is None


def test_a_policy_binds_the_first_target_too(root: Path) -> None:
    wire(root, "fallback", first="region: us", other="region: eu", targets="region: eu")
    problem = refusal(root)
    assert problem is not None
    assert str(problem).startswith(
        "apps/support.yaml:8: llms.main[0]: first/one runs in us, but policies/support demands that it runs in eu"
    )


def test_everything_that_differs_is_said_at_once(root: Path) -> None:
    wire(
        root, "fallback", first="region: eu, retention: none, trains: false", other="region: us", targets="filter: true"
    )
    (root / "headgate.yaml").write_text(
        (root / "headgate.yaml").read_text().replace("{region: eu,", "{filter: true, region: eu,")
    )
    problem = refusal(root)
    assert problem is not None
    rules, first = problem.message.split("; ")
    assert rules.startswith("other/one does not say whether its content filter is on, but policies/support demands ")
    assert first == (
        "other/one runs in us and does not say how long it keeps what it is sent and does not say whether it trains "
        "on what it is sent, but first/one, which is asked first, runs in eu and keeps nothing of what it is sent and "
        "does not train on what it is sent"
    )


def test_without_a_policy_the_hint_says_to_write_one(root: Path) -> None:
    wire(root, "fallback", first="region: eu")
    text = (root / "apps/support.yaml").read_text()
    (root / "apps/support.yaml").write_text(text.replace("policy: policies/support\n", ""))
    problem = refusal(root)
    assert problem is not None
    assert "or except it in a policy: `targets:" in problem.hint


def test_what_answers_inside_this_process_is_as_strict_as_anything(root: Path) -> None:
    wire(
        root,
        "after one that says nothing of it",
        first="region: eu, retention: none",
        other="region: eu, retention: none",
    )
    assert refusal(root) is None
    text = (root / "headgate.yaml").read_text()
    (root / "headgate.yaml").write_text(text.replace("{type: extractive}", "{type: extractive, facts: {region: us}}"))
    problem = refusal(root)
    assert problem is not None
    assert problem.message.startswith("inside/one runs in us, but first/one")


def test_facts_are_pinned_and_a_change_of_one_is_a_new_release(world: Any) -> None:
    digests = [world.create()]
    for old, new in (("{type: scripted,", "{type: scripted, facts: {region: eu},"), ("region: eu", "region: ch")):
        world.edit("headgate.yaml", old, new)
        digests.append(world.create())
    assert len(set(digests)) == 3
    assert world.call("release.show", {"release": digests[2]})["providers"]["bot/one"]["facts"] == {"region": ["ch"]}
    with world.store.records.read() as tx:
        assert load(tx, PROJECT, world.store.blobs, digests[2]).facts == {"bot/one": Facts(region=("ch",))}
    world.edit("headgate.yaml", "facts: {region: ch},", "facts: {region: [ch]},")
    assert world.create() == digests[2]
    world.edit("headgate.yaml", "facts: {region: [ch]},", "facts: {},")
    assert world.create() == digests[0]


def test_a_diff_tells_facts_and_exceptions_in_words(world: Any) -> None:
    world.edit("headgate.yaml", "{type: scripted,", "{type: scripted, facts: {region: eu, supports: [tools]},")
    world.write(
        "policies/support.yaml", POLICY + "targets: {retention: 30d, except: {bot/one: {retention: for now}}}\n"
    )
    before = world.create()
    world.edit(
        "headgate.yaml", "region: eu, supports: [tools]", "region: ch, retention: 30d, supports: [tools, images]"
    )
    world.write("policies/support.yaml", POLICY + "targets: {region: [eu, ch]}\n")
    after = world.create()

    def told(old: str, new: str) -> dict[str, list[str]]:
        changes = world.call("release.diff", {"a": old, "b": new})["changes"]
        return {change["path"]: change["sentences"] for change in changes}

    assert told(before, after) == {
        "bot/one": [
            "bot/one runs in ch (before: runs in eu)",
            "bot/one keeps what it is sent for 30d (before: does not say how long it keeps what it is sent)",
            "bot/one: facts.supports was ['tools'], is ['tools', 'images']",
        ],
        "policies/support": [
            "targets: region as the first target → every target runs in ch or eu",
            "targets: retention every target keeps what it is sent for 30d → as the first target",
            "targets: bot/one may no longer be less strict in retention",
        ],
    }
    assert "targets: bot/one may be less strict in retention: for now" in told(after, before)["policies/support"]


def test_the_server_trusts_no_build(world: Any) -> None:
    """Whoever registers a manifest by hand meets the same rule."""
    world.edit("headgate.yaml", "providers:\n", "providers:\n  far: {type: scripted, facts: {region: eu}}\n")
    world.edit("headgate.yaml", "{type: scripted, script", "{type: scripted, facts: {region: eu}, script")
    world.edit("apps/support.yaml", "[bot/one]", "[bot/one, far/one]")
    shown = world.call("release.show", {"release": world.create()})
    pins = {pin["path"]: {"kind": pin["kind"], "digest": pin["digest"]} for pin in shown["pins"]}
    asked = {"app": "support", "pins": pins, "providers": shown["providers"]}
    world.call("release.register", asked)
    for facts in ({"facts": {"region": ["us"]}}, {}):
        bare = {"type": "scripted", "model": "one", "behaviour": 1}
        with pytest.raises(InvalidInput, match=r"^far/one .* but bot/one, which is asked first, runs in eu"):
            world.call("release.register", {**asked, "providers": {**shown["providers"], "far/one": bare | facts}})
    with pytest.raises(InvalidInput, match=r"facts\.region"):
        world.call("release.register", {**asked, "providers": {"bot/one": {"facts": {"region": 7}}}})


def test_doubts_are_told_by_check(world: Any) -> None:
    world.edit("headgate.yaml", "{type: scripted,", "{type: scripted, facts: {supports: [tools, json_schema, images]},")
    more = (
        "  plain: {type: scripted}\n  poor: {type: scripted, facts: {supports: [tools]}}\n  own: {type: extractive}\n"
    )
    world.edit("headgate.yaml", "providers:\n", "providers:\n" + more)
    world.edit("apps/support.yaml", "[bot/one]", "[bot/one, poor/one, plain/one]")
    world.write("policies/support.yaml", POLICY + "targets: {except: {por/one: {region: agreed}}}\n")
    assert doubts(world) == [
        "apps/support.yaml:6: llms.main[1]: poor/one does not support images and json_schema, as bot/one before it "
        "does (requests that need it fail when the first does not answer)",
        "policies/support.yaml:3: targets.except.por/one: no app of this policy calls por/one; did you mean "
        "'poor/one'?",
    ]
    world.write("contracts/support.yaml", "output: {type: object}\n")
    world.edit("apps/support.yaml", "plain/one]", "plain/one, own/one]")
    told = [line for line in doubts(world) if "JSON Schema" in line]
    assert [line.split(" ")[2] for line in told] == ["poor/one", "own/one"]
    assert "what it says otherwise is replaced by the fallback" in told[0]


def doubts(world: Any) -> list[str]:
    return [line for line in check(world, Check()).warnings if "/one" in line]
