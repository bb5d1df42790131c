"""P10: whatever a stranger's guard does, on every route, the outcome is the declared one, and its record is true."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest
from tests.faults import guarded

from headgate.testing.gullible import INVENTED
from headgate.testing.served import Served
from headgate.testing.upstream import Upstream, running

pytestmark = pytest.mark.slow
QUESTION = "Is that possible? Tell me."
DOES = ("finds", "raises", "hangs", "returns text", "points outside")
SAID = {
    "raises": "raised ValueError",
    "hangs": "took longer than 250 ms",
    "returns text": "returned str, not a finding",
    "points outside": "returned spans outside the text",
}


class Cell(NamedTuple):
    """One guard: what it does, whether its word counts, what it is to do, and what it looks at."""

    does: str
    mode: str
    action: str
    side: str

    @property
    def app(self) -> str:
        return "-".join(self).replace(" ", "-")

    @property
    def policy(self) -> str:
        own = f"{{does: {self.does}, mode: {self.mode}, action: {self.action}, reply: prompts/refuse}}"
        return f"{self.side}:\n  - own: {own}\n"

    @property
    def stops(self) -> bool:
        """Only an enforced guard stops anything, and one that only flags does not, found or failed."""
        return self.mode == "enforce" and self.action != "flag" and (self.does != "finds" or self.action == "block")

    @property
    def masks(self) -> bool:
        return (self.does, self.mode, self.action) == ("finds", "enforce", "mask")

    @property
    def verdict(self) -> str:
        if self.does == "finds":
            return {"block": "block", "mask": "mask", "flag": "pass"}[self.action]
        return "error_blocked" if self.stops else "error_allowed"


CELLS = [
    Cell(*of) for of in product(DOES, ("enforce", "observe"), ("block", "mask", "flag"), ("input", "output"))
]  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Upstream]]:
    with running() as (url, upstream):
        providers = f"  lab: {{type: openai, base_url: {url}}}\n"
        apps = {cell.app: ("lab/stand-in", cell.policy) for cell in CELLS}
        root, environment = guarded.build(tmp_path_factory.mktemp("matrix"), providers, apps)
        with guarded.gateway(root, environment, apps) as found:
            yield found, upstream


def recorded(cell: Cell, trace: dict[str, Any]) -> None:
    """The trace names the verdict, as observed where it was; and whether it blocked."""
    stages = {stage["name"]: stage["facts"] for stage in trace["stages"]}
    assert stages[f"guard_{cell.side}"]["verdicts"] == {"own": cell.verdict}
    mark = {"observed": True, f"observed.{cell.side}.own": cell.verdict}
    observed = {name: value for name, value in trace["attributes"].items() if name.startswith("observed")}
    assert observed == (mark if cell.mode == "observe" and cell.verdict != "pass" else {})
    assert (trace["summary"]["status"] == "blocked") == cell.stops
    assert trace["blocked_by"] == ("own" if cell.stops else "")
    assert "secret of the guard" not in str(trace)


@pytest.mark.parametrize("cell", CELLS, ids=[cell.app for cell in CELLS])
@pytest.mark.parametrize("route", guarded.ROUTES)
def test_an_answer(served: tuple[Served, Upstream], route: str, cell: Cell) -> None:
    server, upstream = served
    before = upstream.requests
    seen = guarded.ROUTES[route](server, cell.app, QUESTION)
    assert seen.stopped == cell.stops
    asked = QUESTION.replace("possible", "<OWN>") if cell.masks and cell.side == "input" else QUESTION
    if cell.stops and cell.side == "input":
        assert upstream.requests == before, "a question that was stopped has reached a model"
    else:
        assert upstream.requests == before + 1
        assert upstream.bodies[-1]["messages"][-1]["content"] == asked
    said = INVENTED.replace("possible", "<OWN>") if cell.masks and cell.side == "output" else INVENTED
    if cell.stops and (cell.does == "finds" and cell.side == "output" and "stream" in route):
        assert INVENTED[: INVENTED.index("possible")].startswith(seen.text) or seen.text == guarded.REPLY
    else:
        assert seen.text == (guarded.REPLY if cell.stops else said)
    recorded(cell, guarded.shown(server, seen.trace))


@pytest.mark.parametrize("cell", CELLS, ids=[cell.app for cell in CELLS])
def test_a_check_by_guards_alone(served: tuple[Served, Upstream], cell: Cell) -> None:
    server, upstream = served
    before = upstream.requests
    seen = guarded.check(server, cell.app, cell.side, QUESTION)
    assert upstream.requests == before
    assert seen.stopped == cell.stops
    passed = QUESTION.replace("possible", "<OWN>") if cell.masks else QUESTION
    assert seen.text == (guarded.REPLY if cell.stops else passed)
    recorded(cell, guarded.shown(server, seen.trace))


@pytest.mark.parametrize("does", DOES[1:])
def test_what_went_wrong_is_told_without_what_was_said(served: tuple[Served, Upstream], does: str) -> None:
    server, _ = served
    body = {"model": Cell(does, "enforce", "block", "input").app, "input": QUESTION}
    _, answer, _ = server.request("POST", "/v1/guardrail/checks", body)
    explanation = answer["guards"][0]["explanation"]
    assert SAID[does] in explanation
    assert QUESTION not in explanation


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize("route", [*guarded.ROUTES, "check"])
def test_a_guard_that_hangs_holds_up_nobody_else(served: tuple[Served, Upstream], route: str, side: str) -> None:
    server, _ = served
    app = Cell("hangs", "enforce", "block", side).app

    def hang() -> None:
        if route == "check":
            guarded.check(server, app, side, QUESTION)
        else:
            guarded.ROUTES[route](server, app, QUESTION)

    asking = threading.Thread(target=hang)
    asking.start()
    waits = []
    while asking.is_alive():
        began = time.monotonic()
        assert server.request("GET", "/healthz")[0] == 200
        waits.append(time.monotonic() - began)
        time.sleep(0.005)
    asking.join()
    assert max(waits) < 0.2, "the whole server waited for a guard"
