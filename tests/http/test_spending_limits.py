"""What a client is told of its limits: what is left, and, when something ran out, what, until when and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.http.exchange import limit_headers
from headgate.kernel import Standing
from headgate.testing.served import Served, do, serving


@pytest.fixture
def limited(copied: Path) -> Iterator[Served]:
    few = ["3 requests/day", "1M tokens/day"]
    keys = {"few": do(copied, "key.create", {"person": "p-few", "role": ["app"], "limit": few})["token"]}
    admin = do(copied, "key.create", {"person": "p-admin", "role": ["admin"]})
    keys["admin"] = admin["token"]
    team = {"person": "p-team", "role": ["app"], "team": "web"}
    keys["team"] = do(copied, "key.create", team, HEADGATE_KEY=keys["admin"])["token"]
    with serving(copied) as found:
        found.keys.update(keys)
        yield found


def ask(server: Any, who: str, **body: Any) -> tuple[int, Any, Any]:
    found: tuple[int, Any, Any] = server.request(
        "POST", "/v1/chat/completions", server.chat(**body), key=server.keys[who]
    )
    return found


def test_a_client_is_told_what_is_left_and_then_what_ran_out(limited: Any) -> None:
    left = []
    for stream in (False, True, False):
        status, _, headers = ask(limited, "few", stream=stream)
        assert status == 200
        left.append(headers["x-ratelimit-remaining-requests"])
        assert headers["x-ratelimit-limit-requests"] == "3"
        assert headers["x-ratelimit-limit-tokens"] == "1000000"
        assert 0 < int(headers["x-ratelimit-remaining-tokens"]) < 1_000_000
        assert re.fullmatch(r"(\d+h)?(\d+m)?\d+s", headers["x-ratelimit-reset-requests"])
    assert left == ["2", "1", "0"]
    status, body, headers = ask(limited, "few")
    assert status == 429
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert 0 < int(headers["retry-after"]) <= 86_401
    assert "3 requests a day" in body["error"]["message"]
    assert "UTC" in body["error"]["message"]


def test_a_teams_limit_is_set_while_it_is_served_and_lifted_again(limited: Any) -> None:
    key = {"HEADGATE_URL": limited.url, "HEADGATE_KEY": limited.keys["admin"]}
    assert ask(limited, "team")[0] == 200
    do(limited.root, "budget.set", {"scope": "team:web", "limit": ["0 requests/day"]}, **key)
    status, body, _ = ask(limited, "team")
    assert status == 429
    assert "team web" in body["error"]["message"]
    shown = do(limited.root, "budget.list", {"scope": "team"}, **key)["budgets"]
    assert [(row["scope"], row["unit"], row["span"], row["left"]) for row in shown] == [
        ("team:web", "requests", "day", "0")
    ]
    do(limited.root, "budget.set", {"scope": "team:web"}, **key)
    assert ask(limited, "team")[0] == 200


def test_of_several_limits_the_one_with_least_left_is_told() -> None:
    standings = [
        Standing("requests", 60, 59, 1_000.0),
        Standing("requests", 100, 3, 4_000.4),
        Standing("cost", 5, 1, 4_000.0),
    ]
    assert limit_headers(standings, 100.0) == [
        (b"x-ratelimit-limit-requests", b"100"),
        (b"x-ratelimit-remaining-requests", b"3"),
        (b"x-ratelimit-reset-requests", b"1h5m1s"),
    ]
    assert limit_headers([Standing("cost", 5, 1, 4_000.0)], 100.0) == []
