"""Apps: how a product is wired, what is said about wires that lead nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.kernel import InvalidInput, plugins
from headgate.serve.kinds.app import app_targets, cross_check, warnings

kind = plugins.load("kinds", "app")

APP = """contract: contracts/support
policy: policies/support
route:
  model: models/router
  to:
    high_risk: {human: {reply: prompts/safe}}
    default:
      llm: main
      prompt: prompts/answer
      retrieval: retrieval/handbook
llms:
  main: [openai/gpt-5-mini, local/extractive]
  spare: [lab/llama]
verify: {grounding: {at_least: 0.6, otherwise: safe}, citations: required}
fallback: prompts/safe
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "prompts/safe.md": "A person will answer you.",
        "prompts/greedy.md": "You said {{ question }}",
        "prompts/answer.md": "# system\n{{ sources }}\n# user\n{{ question }}",
        "prompts/bad.md": "# user\n{{ question }}",
        "contracts/support.yaml": "evidence: {citations: required, sources: [retrieval/handbook]}",
        "apps/support.yaml": APP,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def edit(root: Path, old: str, new: str) -> Path:
    assert old in APP
    (root / "apps/support.yaml").write_text(APP.replace(old, new))
    return root


def test_an_app_names_everything_that_a_release_pins(root: Path) -> None:
    draft = kind.parse(root, "apps/support")
    assert {(item.kind, item.path) for item in draft.references} == {
        ("contract", "contracts/support"), ("policy", "policies/support"), ("model", "models/router"),
        ("prompt", "prompts/safe"), ("prompt", "prompts/answer"), ("retrieval", "retrieval/handbook"),
    }  # fmt: skip


def test_defaults_written_out_are_the_same_app(root: Path) -> None:
    plain = kind.parse(root, "apps/support").digest
    assert kind.parse(edit(root, ", otherwise: safe", ""), "apps/support").digest == plain
    assert kind.parse(edit(root, "llms:", "context: {tokens: 3000}\nllms:"), "apps/support").digest == plain
    assert kind.parse(edit(root, "at_least: 0.6", "at_least: 0.5"), "apps/support").digest != plain


def test_targets_are_those_that_routes_use(root: Path) -> None:
    assert app_targets(kind.parse(root, "apps/support").document) == {"openai/gpt-5-mini", "local/extractive"}


MISTAKES = [
    ("llm: main", "llm: mian", 8, "there is no chain 'mian'", "did you mean 'main'?"),
    ("policy: policies", "polcy: policies", 2, "there is no key 'polcy' here", "did you mean 'policy'?"),
    ("prompt: prompts/answer", "prompt: prompts/anser", 9, "no prompt 'prompts/anser'", "mean 'prompts/answer'?"),
    ("prompt: prompts/answer", "prompt: prompts/safe", 9, "does not ask a model anything", "# system"),
    ("fallback: prompts/safe", "fallback: prompts/answer", 15, "sent as it stands", "without role headings"),
    ("fallback: prompts/safe", "fallback: prompts/greedy", 15, "has no variables", ""),
    ("fallback: prompts/safe", "", 1, "the key 'fallback' is missing", ""),
    ("reply: prompts/safe", "reply: prompts/answer", 6, "sent as it stands", ""),
    ("local/extractive]", "extractive]", 12, "'extractive' names no model", "provider/model"),
    ("main: [openai/gpt-5-mini, local/extractive]", "main: []", 12, "at least 1 item", ""),
    ("at_least: 0.6", "at_least: 60", 14, "1 or less", ""),
    ("otherwise: safe", "otherwise: human", 14, "'human' is not known here", ""),
    ("      llm: main\n", "", 7, "the key 'llm' is missing", "{human:"),
    ("reply: prompts/safe}}", "reply: prompts/safe}, llm: main}", 6, "does not go with human", ""),
    ("retrieval: retrieval/handbook", "retrieval: retrieval/wiki", 10, "is no evidence", "retrieval/handbook"),
    ("contracts/support", "contracts/suport", 1, "there is no contract", "did you mean 'contracts/support'?"),
]


@pytest.mark.parametrize(("old", "new", "line", "message", "hint"), MISTAKES)
def test_a_mistake_is_named_with_its_line(root: Path, old: str, new: str, line: int, message: str, hint: str) -> None:
    edit(root, old, new)
    with pytest.raises(InvalidInput) as caught:
        kind.parse(root, "apps/support")
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == ("apps/support.yaml", line)


def test_without_a_router_only_default_is_ever_taken(root: Path) -> None:
    edit(root, "  model: models/router\n", "")
    kind.parse(root, "apps/support")
    with pytest.raises(InvalidInput, match=r"support.yaml:5: .*no label 'high_risk'"):
        cross_check(root, "apps/support", ())


def test_routes_are_labels_and_labels_have_routes(root: Path) -> None:
    cross_check(root, "apps/support", ["high_risk", "billing"])
    with pytest.raises(InvalidInput, match=r"no label 'high_risk'.*did you mean 'high-risk'"):
        cross_check(root, "apps/support", ["high-risk", "billing"])
    edit(root, "    default:", "    billing:")
    with pytest.raises(InvalidInput, match=r"support.yaml:5.*'roaming' of the router has no route"):
        cross_check(root, "apps/support", ["high_risk", "billing", "roaming"])


def test_what_is_legal_and_odd_is_a_warning(root: Path) -> None:
    assert warnings(root, "apps/support") == ["apps/support.yaml:13: llms.spare: no route uses the chain 'spare'"]
    said = warnings(edit(root, "prompt: prompts/answer", "prompt: prompts/bad"), "apps/support")
    assert any("never shows {{ sources }}" in line and ":9:" in line for line in said)


def test_a_first_token_that_verification_cannot_keep_is_a_warning(root: Path) -> None:
    (root / "contracts/support.yaml").write_text("latency: {p95: 2s, first_token: 800ms}")
    assert any("first_token: 800ms" in line for line in warnings(root, "apps/support"))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("hedge: 800, total: 60s", "hedge is 800s, which is not shorter than total: 1m"),
        ("first_token: 5000", "first_token is 5000s, which is not shorter than a call's usual 30s"),
        ("idle: 1m, total: 60s", "idle is 1m, which is not shorter than total: 1m"),
        ("hedge: 800ms, first_token: 5s, idle: 10s", ""),
    ],
)
def test_a_time_that_never_comes_is_a_warning(root: Path, rules: str, said: str) -> None:
    edit(root, "main: [openai/gpt-5-mini, local/extractive]", f"main: {{targets: [openai/a, openai/b], {rules}}}")
    found = [line for line in warnings(root, "apps/support") if "no effect" in line]
    assert bool(found) is bool(said)
    assert all(line.startswith("apps/support.yaml:12: llms.main.") and said in line for line in found), found


def test_differences_are_said_in_peoples_terms(root: Path) -> None:
    old = kind.parse(root, "apps/support").document
    edit(root, "at_least: 0.6", "at_least: 0.2")
    assert kind.explain(old, kind.parse(root, "apps/support").document) == [
        "verification: grounding at least: 0.6 → 0.2"
    ]
    edit(root, "high_risk: {human: {reply: prompts/safe}}", "high_risk: {llm: main, prompt: prompts/answer}")
    said = kind.explain(old, kind.parse(root, "apps/support").document)
    assert said == [
        "the route high_risk goes to the chain main with prompts/answer (before: a human (reply prompts/safe))"
    ]
    edit(root, "openai/gpt-5-mini, local/extractive", "local/extractive")
    said = kind.explain(old, kind.parse(root, "apps/support").document)
    assert said == ["the chain main: openai/gpt-5-mini, local/extractive → local/extractive"]


def test_what_changed_in_a_chain_is_said_in_words(root: Path) -> None:
    old = kind.parse(root, "apps/support").document
    ruled = "main: {targets: [{any: [{openai/gpt-5-mini: 3}, lab/llama]}, local/extractive], hedge: 800ms}"
    new = kind.parse(edit(root, "main: [openai/gpt-5-mini, local/extractive]", ruled), "apps/support").document
    assert new["llms"]["main"]["hedge"] == "800ms"
    assert app_targets(new) == {"openai/gpt-5-mini", "lab/llama", "local/extractive"}
    said = kind.explain(old, new)
    assert said == [
        "the chain main: openai/gpt-5-mini, local/extractive → "
        "targets any openai/gpt-5-mini 3, lab/llama, local/extractive, hedge 800ms"
    ]
