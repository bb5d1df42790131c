"""What may still be spent today: apps by their contracts, keys by their own budgets, told from the ledger."""

from __future__ import annotations

from pathlib import Path

from headgate.govern import BudgetQuery, list_budgets
from headgate.kernel import Principal, day
from headgate.store import Blobs, Context, Hold, Limit, Records, Secret, Spans, Store, ledger
from headgate.testing import FakeClock
from headgate.testing.served import do, serving

FILES = {
    "headgate.yaml": "headgate: 1\nproject: acme\nproviders:\n  bot: {type: scripted, script: {'*': '30 days.'}, "
    "price: {input: $1000, output: $1000}}\nenvironments:\n  dev: {}\n",
    "apps/support.yaml": "contract: contracts/support\nroute: {to: {default: {llm: main, prompt: prompts/answer}}}\n"
    "llms: {main: [bot/one]}\nfallback: prompts/safe\n",
    "contracts/support.yaml": "cost: {per_day: $50}\n",
    "prompts/answer.md": "# user\n{{ question }}\n",
    "prompts/safe.md": "A person will answer you.\n",
}


def test_budgets_stand_at_zero_before_anybody_spends_and_tell_what_was_spent(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    key = do(tmp_path, "key.create", {"person": "p-app", "role": ["app", "admin"], "budget_per_day": "$7"})
    mine = {"HEADGATE_KEY": key["token"]}
    assert [row["scope"] for row in do(tmp_path, "budget.list", {}, **mine)["budgets"]] == [f"key:{key['id']}"]
    do(tmp_path, "environment.apply", {}, **mine)
    release = do(tmp_path, "release.create", {"app": "support"}, **mine)["digest"]
    assert do(tmp_path, "release.promote", {"release": release, "environment": "dev"}, **mine)["moved"]

    app, own = do(tmp_path, "budget.list", {}, **mine)["budgets"]
    assert (app["scope"], app["limit"], app["left"], app["settled"]) == ("app:support", "50", "50", "0")
    assert (own["name"], own["limit"]) == ("p-app", "7")
    with serving(tmp_path) as served:
        body = served.chat("How long?", "support@dev", max_tokens=50)
        status, answer, _ = served.request("POST", "/v1/chat/completions", body, key=key["token"])
        assert status == 200, answer
        rows = do(tmp_path, "budget.list", {}, HEADGATE_URL=served.url, **mine)["budgets"]
    taken = [float(row["settled"]) + float(row["reserved"]) for row in rows]
    assert min(taken) > 0, rows
    for row in do(tmp_path, "budget.list", {"scope": "app:support"}, **mine)["budgets"]:
        assert float(row["settled"]) > 0
        assert float(row["reserved"]) == 0, "the server settles what it held when it stops"
        assert float(row["left"]) == 50 - float(row["settled"])


def test_a_frozen_budget_leaves_nothing(records: Records, clock: FakeClock) -> None:
    limit = Limit("app:support", "cost", day(clock.now()), 2_000_000_000)
    store = Store(records, Blobs("memory://"), Spans("sqlite://", writer=False), Secret(b"s" * 32))
    who = Principal("person_a", "acme", frozenset({"viewer"}))
    with records.begin() as tx:
        ledger.reserve(tx, "acme", [Hold("r1", limit, 1_000_000_000)], now=clock.now(), lease_s=60)
        ledger.settle(tx, "acme", {"r1": 3_000_000_000}, now=clock.now())
        found = list_budgets(Context(tx, who, clock, store), BudgetQuery()).budgets
    assert [(row.frozen, row.limit, row.left, row.settled) for row in found] == [(True, "2", "0", "3")]
