"""Which hosts are answered, and which requests count as coming straight from this machine."""

from __future__ import annotations

import pytest

from headgate.http.callers import door_of, host_name, is_loopback
from headgate.kernel import HeadgateError

LOCAL = {"host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:8000", "localhost"),
        ("[::1]:8000", "::1"),
        ("EXAMPLE.com", "example.com"),
        ("", ""),
        ("[::1]", "::1"),
    ],
)
def test_a_host_name_is_read_without_its_port(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(("host", "found"), [("127.0.0.1", True), ("::1", True), ("localhost", True),
                                             ("0.0.0.0", False), ("10.0.0.1", False), ("12.7.0.1", False)])  # fmt: skip
def test_loopback_addresses(host: str, found: bool) -> None:
    assert is_loopback(host) is found


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:8000"])
def test_a_loopback_server_answers_to_loopback_names_only(host: str) -> None:
    door = door_of("127.0.0.1", "")
    door.check_host(LOCAL)
    with pytest.raises(HeadgateError) as caught:
        door.check_host({"host": host})
    assert caught.value.status == 421


def test_a_public_server_answers_to_what_it_is_told_to() -> None:
    door_of("0.0.0.0", "").check_host({"host": "any.example"})
    door_of("127.0.0.1", "*").check_host({"host": "any.example"})
    door = door_of("0.0.0.0", "api.example, other.example")
    door.check_host({"host": "API.example:443"})
    with pytest.raises(HeadgateError):
        door.check_host({"host": "third.example"})


def test_a_plain_request_of_this_machine_is_near() -> None:
    assert door_of("127.0.0.1", "").caller(LOCAL, "127.0.0.1").near


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "1.2.3.4"}, {"forwarded": "for=1.2.3.4"}, {"x-real-ip": "1.2.3.4"}, {"via": "1.1 proxy"},
        {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"}, {"host": "evil.example"}, {"host": ""},
    ],
)  # fmt: skip
def test_forwarded_requests_and_web_pages_are_not_near(headers: dict[str, str]) -> None:
    assert not door_of("127.0.0.1", "*").caller({**LOCAL, **headers}, "127.0.0.1").near


def test_another_machine_or_a_public_server_is_never_near() -> None:
    assert not door_of("127.0.0.1", "").caller(LOCAL, "10.0.0.7").near
    assert not door_of("0.0.0.0", "").caller(LOCAL, "127.0.0.1").near


@pytest.mark.parametrize(("header", "token"), [("Bearer hg_a_b", "hg_a_b"), ("bearer  hg_a_b ", "hg_a_b"),
                                               ("Basic hg_a_b", ""), ("hg_a_b", ""), ("", "")])  # fmt: skip
def test_a_token_is_read_from_a_bearer_header(header: str, token: str) -> None:
    assert door_of("127.0.0.1", "").caller({**LOCAL, "authorization": header}, "127.0.0.1").token == token


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"x-api-key": "hg_a_b"}, "hg_a_b"),
        ({"x-api-key": " hg_a_b "}, "hg_a_b"),
        ({"x-api-key": "hg_a_b", "authorization": "Basic x"}, "hg_a_b"),
        ({"x-api-key": "hg_a_b", "authorization": "Bearer hg_c_d"}, "hg_c_d"),
        ({"x-api-key": "hg_a_b", "authorization": "Bearer "}, ""),
    ],
)
def test_a_token_is_read_from_the_header_of_anthropics_clients_when_no_bearer_is_shown(
    headers: dict[str, str], token: str
) -> None:
    assert door_of("127.0.0.1", "").caller({**LOCAL, **headers}, "127.0.0.1").token == token
