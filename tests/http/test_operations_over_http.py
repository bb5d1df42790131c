"""Operations over HTTP: the table walked, errors as problem documents, asking twice, the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.platform import OPERATIONS, ROLES

REMOTE = [row for row in OPERATIONS if row.sort != "local"]


def test_a_read_works_by_post_and_by_get(server: Any) -> None:
    posted = server.request("POST", "/api/release/list", {"app": "support", "limit": 5})
    got = server.request("GET", "/api/release/list?app=support&limit=5")
    assert posted[:2] == got[:2]
    assert len(got[1]["releases"]) == 2


def test_a_repeated_parameter_is_a_list_where_one_is_taken(server: Any) -> None:
    path = "/api/trace/list?where=route%3Ddefault&where=status%3Danswered"
    status, _, _ = server.request("GET", path)
    assert status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/api/release/promot", {}, 404, "not_found"),
        ("POST", "/api/check", {}, 404, "not_found"),
        ("GET", "/api/key/create", None, 405, "method_not_allowed"),
        ("DELETE", "/api/key/list", None, 405, "method_not_allowed"),
        ("POST", "/api/key/create", {"person": "x", "rol": []}, 400, "invalid_input"),
        ("POST", "/api/release/show", {"release": "nothing"}, 404, "not_found"),
        ("GET", "/api/release/list?limit=many", None, 400, "invalid_input"),
        ("GET", "/nowhere", None, 404, "not_found"),
        ("PUT", "/healthz", None, 405, "method_not_allowed"),
        ("POST", "/api/" + "x" * 5000, {}, 404, "not_found"),
        ("POST", "/api/../key/list", {}, 404, "not_found"),
    ],
)
def test_errors_are_problem_documents(server: Any, method: str, path: str, body: Any, status: int, code: str) -> None:
    found, problem, headers = server.request(method, path, body)
    assert (found, problem["code"], problem["status"]) == (status, code, status)
    assert headers["content-type"] == "application/problem+json"
    assert ("allow" in headers) == (status == 405)
    assert problem["detail"]


def test_an_unknown_key_is_named_with_the_nearest(server: Any) -> None:
    _, problem, _ = server.request("POST", "/api/release/list", {"ap": "support"})
    assert "'ap'" in problem["detail"]
    assert "'app'" in problem["hint"]


def test_an_idempotency_key_does_it_once(locked: Any) -> None:
    headers = {"idempotency-key": "make-once"}
    body = {"person": "twice", "role": ["viewer"]}
    key = locked.keys["admin"]
    first = locked.request("POST", "/api/key/create", body, key=key, headers=headers)
    again = locked.request("POST", "/api/key/create", body, key=key, headers=headers)
    assert first[1]["id"] == again[1]["id"]
    assert again[1]["token"] == ""
    other = locked.request("POST", "/api/key/create", {**body, "person": "else"}, key=key, headers=headers)
    assert (other[0], other[1]["code"]) == (409, "conflict")


def test_a_job_is_accepted_and_followed(server: Any, wait_for: Any) -> None:
    asked = {"release": "sha256:" + "0" * 64, "suites": []}
    status, body, _ = server.request("POST", "/api/evidence/run", asked)
    assert status == 202

    def ended() -> Any:
        _, shown, _ = server.request("GET", f"/api/job/show?job_id={body['job']}")
        return shown if shown["state"] in ("done", "failed") else None

    shown = wait_for(ended, 15)
    assert shown["state"] == "failed"
    assert shown["error"]["title"] == "NotFound"


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_role_may_run_what_its_permissions_say_and_nothing_else(locked: Any, role: str) -> None:
    """Route × role: 403 exactly where the table and the roles say so, whatever the body."""
    key = locked.keys[role]
    for row in REMOTE:
        status, problem, _ = locked.request("POST", "/api/" + row.name.replace(".", "/"), {"no_such_key": 1}, key=key)
        allowed = row.permission in ROLES[role]
        assert status == (400 if allowed else 403), f"{role} {row.name}: {status} {problem}"


def test_nobody_runs_anything_without_a_key_once_there_is_one(locked: Any) -> None:
    paths = ["/v1/models", *("/api/" + row.name.replace(".", "/") for row in REMOTE)]
    for path in paths:
        method = "GET" if path.startswith("/v1") else "POST"
        assert locked.request(method, path, {} if method == "POST" else None)[0] == 401, path
        assert locked.request(method, path, {} if method == "POST" else None, key="hg_x_y")[0] == 401, path


def test_a_401_says_how_to_say_who_one_is(locked: Any) -> None:
    _, problem, headers = locked.request("POST", "/api/key/list", {})
    assert headers["www-authenticate"] == "Bearer"
    assert "Bearer" in problem["hint"]
    _, problem, _ = locked.request("POST", "/api/key/list", {}, key="sk-of-a-provider")
    assert problem["detail"] == "what was sent is no key of this server's"


@pytest.mark.parametrize("role", ["viewer", "app"])
def test_chat_needs_its_permission(locked: Any, role: str) -> None:
    status, body, _ = locked.request("POST", "/v1/chat/completions", locked.chat(), key=locked.keys[role])
    assert status == (200 if role == "app" else 403)
    if role == "viewer":
        assert body["error"]["type"] == "permission_error" or body["error"]["code"] == "denied"


def test_a_products_key_does_not_reach_past_the_gates(locked: Any) -> None:
    _, releases, _ = locked.request("GET", "/api/release/list?app=support", key=locked.keys["viewer"])
    model = f"support@{releases['releases'][0]['digest']}"
    body = locked.chat(model=model)
    assert locked.request("POST", "/v1/chat/completions", body, key=locked.keys["app"])[0] == 403
    assert locked.request("POST", "/v1/chat/completions", body, key=locked.keys["engineer"])[0] == 200


def test_a_revoked_key_is_out_at_once(locked: Any) -> None:
    admin = locked.keys["admin"]
    _, made, _ = locked.request("POST", "/api/key/create", {"person": "leaving", "role": ["app"]}, key=admin)
    assert locked.request("GET", "/v1/models", key=made["token"])[0] == 200
    locked.request("POST", "/api/key/revoke", {"key_id": made["id"]}, key=admin)
    assert locked.request("GET", "/v1/models", key=made["token"])[0] == 401


def test_no_token_is_ever_logged_or_answered(locked: Any) -> None:
    told = locked.log.read_text()
    for table in ("/api/key/list", "/api/audit/list"):
        told += str(locked.request("POST", table, {}, key=locked.keys["admin"])[1])
    assert not [role for role, token in locked.keys.items() if token in told]


def test_the_openapi_document_describes_every_operation(server: Any) -> None:
    status, document, _ = server.request("GET", "/api/openapi.json")
    assert status == 200
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {"/api/" + row.name.replace(".", "/") for row in REMOTE}
    text = str(document)
    for name in {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"], name
    assert "get" in document["paths"]["/api/release/list"]
    assert "get" not in document["paths"]["/api/release/promote"]
    assert "202" in document["paths"]["/api/evidence/run"]["post"]["responses"]


def test_probes_need_no_key(locked: Any) -> None:
    assert locked.request("GET", "/healthz")[1]["status"] == "ok"
    assert locked.request("GET", "/readyz")[0] == 200
    assert locked.request("GET", "/metrics")[0] == 200
    assert locked.request("GET", "/metrics", headers={"x-forwarded-for": "1.2.3.4"})[0] == 401


def test_the_log_has_a_line_for_each_request_and_no_bodies(server: Any, wait_for: Any) -> None:
    server.request(
        "POST", "/v1/chat/completions", server.chat("a-very-special-question"), headers={"x-request-id": "log-1"}
    )
    assert wait_for(lambda: '"log-1"' in server.log.read_text())
    assert "a-very-special-question" not in server.log.read_text()
