"""TLS: whoever answers must hold a certificate for the name that was asked for; on both event loops."""

from __future__ import annotations

import datetime
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from headgate.models import ProviderError
from headgate.models.transport import Limits, PrivateHosts, Route

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
NAME = "models.example"


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self.certificate = self._signed(
            self.name,
            self.key.public_key(),
            [(x509.BasicConstraints(True, 0), True), (usage, True)],
            datetime.timedelta(days=1),
        )

    def trusted(self) -> ssl.SSLContext:
        """Return what a client needs to trust this authority, and nobody else."""
        text = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=text)

    def server(self, *names: str, valid: datetime.timedelta = datetime.timedelta(days=1)) -> ssl.SSLContext:
        """Return what a server needs to be `names`."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = [
            x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        certificate = self._signed(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A server")]),
            key.public_key(),
            [
                (x509.SubjectAlternativeName(alternatives), False),
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            ],
            valid,
        )
        file = self.folder / f"{names[0]}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(self, subject: x509.Name, key: Any, extensions: list[Any], valid: datetime.timedelta) -> Any:
        now = datetime.datetime.now(datetime.UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + valid)
        )
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        built = built.add_extension(identifier, False).add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key), False
        )
        for extension, critical in extensions:
            built = built.add_extension(extension, critical)
        return built.sign(self.key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def route(trust: ssl.SSLContext) -> Route:
    """The name exists nowhere else: what is connected to is what the resolver gave, by the name that was asked for."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    return Route(PrivateHosts(names=frozenset({NAME}), local=True), resolve, trust)


def answering(line: Any) -> None:
    while line.hear():
        line.say(OK)


async def test_a_certificate_for_the_name_is_taken_and_the_connection_used_again(
    talk: Any, made: Any, authority: Authority
) -> None:
    context, names = authority.server(NAME), []
    context.sni_callback = lambda _, name, __: names.append(name)
    with talk(answering, context) as peer:
        transport = made(f"https://{NAME}:{peer.port}", route=route(authority.trusted()))
        for _ in range(3):
            assert (await transport.post("/x", {}, 5))[::2] == (200, b"{}")
        assert (peer.connections, names) == (1, [NAME])
        assert f"host: {NAME}:{peer.port}\r\n".encode() in peer.requests[0].lower()
        await transport.close()


async def test_an_address_needs_a_certificate_of_its_own(talk: Any, made: Any, authority: Authority) -> None:
    with talk(answering, authority.server("127.0.0.1")) as peer:
        transport = made(f"https://127.0.0.1:{peer.port}", route=route(authority.trusted()))
        assert (await transport.post("/x", {}, 5))[0] == 200
        await transport.close()


@pytest.mark.parametrize("wrong", ["name", "authority", "date", "everybody"])
async def test_whoever_is_somebody_else_hears_nothing(talk: Any, made: Any, authority: Authority, wrong: str) -> None:
    context = authority.server(
        "other.example" if wrong == "name" else NAME, valid=datetime.timedelta(days=-1 if wrong == "date" else 1)
    )
    trust = {
        "authority": lambda: Authority(authority.folder).trusted(),
        "everybody": ssl.create_default_context,
    }.get(wrong, authority.trusted)()
    with talk(answering, context) as peer:
        transport = made(f"https://{NAME}:{peer.port}", route=route(trust))
        with pytest.raises(ProviderError, match="cannot be reached safely") as caught:
            await transport.post("/x", {"secret": 1}, 5)
        await transport.close()
    problem = caught.value
    assert (problem.code, problem.retryable, problem.reached) == ("provider_connection", False, False)
    assert peer.requests == []


async def test_a_server_without_tls_is_not_spoken_to(talk: Any, made: Any, authority: Authority) -> None:
    def script(line: Any) -> None:
        line.socket.recv(1000)
        line.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with talk(script) as peer:
        transport = made(f"https://{NAME}:{peer.port}", route=route(authority.trusted()))
        with pytest.raises(ProviderError, match="cannot be reached") as caught:
            await transport.post("/x", {"secret": 1}, 5)
        await transport.close()
    assert caught.value.reached is False


async def test_a_body_until_the_end_and_one_that_is_cut(talk: Any, made: Any, authority: Authority) -> None:
    said = [b"HTTP/1.1 200 OK\r\n\r\nhello", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"]

    def script(line: Any) -> None:
        line.hear()
        line.say(said[len(line.peer.requests) - 1])
        line.socket.unwrap()

    with talk(script, authority.server(NAME)) as peer:
        transport = made(f"https://{NAME}:{peer.port}", route=route(authority.trusted()))
        assert (await transport.post("/x", {}, 5))[::2] == (200, b"hello")
        with pytest.raises(ProviderError, match="broke") as caught:
            await transport.post("/x", {}, 5)
        assert caught.value.reached
        await transport.close()


async def test_a_large_body_both_ways(talk: Any, made: Any, authority: Authority) -> None:
    size = 8 * 1024 * 1024

    def script(line: Any) -> None:
        length = len(line.hear().partition(b"\r\n\r\n")[2])
        line.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length, b"y" * length)

    with talk(script, authority.server(NAME)) as peer:
        transport = made(f"https://{NAME}:{peer.port}", limits=Limits(idle=10), route=route(authority.trusted()))
        _, _, body = await transport.post("/x", {"text": "x" * size}, 30)
        assert body == b"y" * (size + 11)
        await transport.close()


async def test_a_silent_stream_over_tls_is_cut(talk: Any, made: Any, authority: Authority) -> None:
    def script(line: Any) -> None:
        line.hear()
        line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
        line.until_gone()

    with talk(script, authority.server(NAME)) as peer:
        transport = made(f"https://{NAME}:{peer.port}", limits=Limits(idle=0.2), route=route(authority.trusted()))
        with pytest.raises(ProviderError, match="too slow"):
            await transport.post("/x", {}, 5)
        await transport.close()
