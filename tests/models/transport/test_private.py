"""What the setting opens: networks for every name, names at private addresses, this machine when written as such."""

from __future__ import annotations

import pytest

from headgate.kernel import InvalidInput
from headgate.models.transport import LOCAL, private_hosts


@pytest.mark.parametrize(
    ("setting", "host", "address", "refused"),
    [
        ("localhost", "localhost", "127.0.0.1", ""),
        ("localhost", "models.localhost", "::1", ""),
        ("localhost", "127.9.9.9", "127.9.9.9", ""),
        ("localhost", "::1", "::1", ""),
        ("localhost", "models.example", "127.0.0.1", "loopback"),
        ("localhost", "localhost", "10.0.0.1", "private"),
        ("localhost", "notlocalhost", "127.0.0.1", "loopback"),
        ("localhost", "0.0.0.0", "0.0.0.0", "unspecified"),
        ("none", "localhost", "127.0.0.1", "loopback"),
        ("none", "models.example", "8.8.8.8", ""),
        ("none", "models.example", "2606:4700::1111", ""),
        ("10.0.0.0/8", "models.example", "10.1.2.3", ""),
        ("10.0.0.0/8", "models.example", "11.1.2.3", ""),
        ("10.0.0.0/8", "models.example", "192.168.0.1", "private"),
        ("10.0.0.0/8", "models.example", "::ffff:10.0.0.1", "an IPv4 address inside an IPv6 one"),
        ("10.0.0.7", "models.example", "10.0.0.7", ""),
        ("10.0.0.7", "models.example", "10.0.0.8", "private"),
        ("fd00::/8, 192.168.0.0/16", "models.example", "fd12::1", ""),
        ("vllm.models.svc", "vllm.models.svc", "10.0.0.1", ""),
        ("vllm.models.svc", "vllm.models.svc", "100.64.0.1", ""),
        ("vllm.models.svc", "other.models.svc", "10.0.0.1", "private"),
        ("vllm.models.svc", "x.vllm.models.svc", "10.0.0.1", "private"),
        ("*.models.svc", "vllm.models.svc", "fd00::1", ""),
        ("*.models.svc", "models.svc", "10.0.0.1", "private"),
        ("*.models.svc", "evilmodels.svc", "10.0.0.1", "private"),
        ("gpu", "gpu", "127.0.0.1", ""),
        ("gpu", "gpu", "169.254.169.254", "link-local"),
        ("gpu", "gpu", "0.0.0.0", "unspecified"),
        ("gpu", "gpu", "::ffff:10.0.0.1", "an IPv4 address inside an IPv6 one"),
        ("169.254.169.254", "gpu", "169.254.169.254", ""),
        ("64:ff9b::/96", "models.example", "64:ff9b::808:808", ""),
        ("64:ff9b::/96", "models.example", "64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::/96, 10.0.0.0/8", "models.example", "64:ff9b::10.0.0.1", ""),
        ("fe80::/10", "models.example", "fe80::1%eth0", ""),
        ("none", "models.example", "fe80::1%eth0", "link-local"),
    ],
)
def test_what_is_open(setting: str, host: str, address: str, refused: str) -> None:
    assert private_hosts(setting).refusal(host, address) == refused


def test_the_default_is_this_machine() -> None:
    assert private_hosts("localhost") == LOCAL


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/33", "10.0.0.1/8", "300.1.1.1", "fd00::/200", "http://gpu", "a b", "*", "*.", "é!"]
)
def test_an_entry_that_is_neither_is_named(entry: str) -> None:
    with pytest.raises(InvalidInput, match="HEADGATE_PRIVATE_HOSTS"):
        private_hosts(f"localhost, {entry}")
