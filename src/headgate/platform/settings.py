"""Settings: where things are and who may reach them; nothing here can change an answer. The only reader of the
environment. Called by wiring, the CLI and the server; importing it is cheap, because `headgate --help` does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

Section = TypeVar("Section")


def _env(name: str, default: str = "", *, shown: bool = True) -> Any:
    return field(default=default, repr=shown, metadata={"env": name})


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where `headgate serve` listens, and what it accepts."""

    host: str = _env("HEADGATE_HOST", "127.0.0.1")
    """The address to listen on. On a loopback address, and until the first key exists, requests need no key; on any
    other address every request needs one."""
    port: str = _env("HEADGATE_PORT", "8000")
    """The port to listen on; 0 takes a free one and prints it."""
    workers: str = _env("HEADGATE_WORKERS", "1")
    """How many processes serve behind the one address. More than one needs PostgreSQL for records and traces."""
    drain_delay: str = _env("HEADGATE_DRAIN_DELAY", "0s")
    """How long the server, told to stop, goes on taking connections while `/readyz` says 503: what your load balancer
    needs to notice, `5s` say. Running answers then have 30 seconds more."""
    allowed_hosts: str = _env("HEADGATE_ALLOWED_HOSTS")
    """Host names that requests may name, comma separated, `*` for any. Default: loopback names on a loopback address
    (so that a web page cannot reach the server through your browser), any on others."""
    code: str = _env("HEADGATE_CODE")
    """A checkout of the project that retraining copies its code and data from. Empty: the project's own folder."""
    log: str = _env("HEADGATE_LOG", "info")
    """How much the server logs to standard error, as JSON lines: debug, info, warning, error or off."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where commands run."""

    url: str = _env("HEADGATE_URL")
    """A server to run commands against. Empty: the live local server of this project if there is one, else in
    process."""
    key: str = _env("HEADGATE_KEY")
    """Your key, `hg_…`. It proves who you are; without one you are the unverified local administrator."""
    debug: str = _env("HEADGATE_DEBUG")
    """Set to 1 to see tracebacks of errors."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where data rests. Empty: files in `.headgate/` beside `headgate.yaml`."""

    database: str = _env("HEADGATE_DATABASE")
    """Records: `sqlite:////path/records.db` or `postgresql+psycopg://user:password@host/name`."""
    spans: str = _env("HEADGATE_SPANS")
    """Traces: an SQLite file of their own (`sqlite:////path/spans.db`), or PostgreSQL."""
    blobs: str = _env("HEADGATE_BLOBS")
    """Contents of artifacts: a folder (`file:///path`) or a bucket (`s3://bucket/prefix`)."""
    secret: str = _env("HEADGATE_SECRET_FILE")
    """The file with the 32 random bytes that hash keys and subjects; made when absent, readable by you only."""


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """How to reach the bucket of the blobs. Empty: what the role of the machine or container gives."""

    endpoint: str = _env("AWS_ENDPOINT_URL")
    """The address of an S3-compatible server, `https://host:port`; `http://` sends contents unencrypted. Empty: AWS."""
    region: str = _env("AWS_REGION")
    """The region of the bucket; `us-east-1` when nothing says otherwise."""
    access_key_id: str = _env("AWS_ACCESS_KEY_ID", shown=False)
    """The key that may read, write and delete there."""
    secret_access_key: str = _env("AWS_SECRET_ACCESS_KEY", shown=False)
    """Its secret."""
    session_token: str = _env("AWS_SESSION_TOKEN", shown=False)
    """The token of temporary keys."""
    timeout: str = _env("HEADGATE_BLOBS_TIMEOUT", "10s")
    """How long the bucket may be silent before it counts as down: `10s`. Give a slow line more."""


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Where the gateway's own requests are handed on as traces, over OTLP. Empty: nowhere."""

    endpoint: str = _env("HEADGATE_OTLP_ENDPOINT")
    """A collector, `http://host:4318`; `/v1/traces` is added when the path does not end with it."""
    headers: str = _env("HEADGATE_OTLP_HEADERS", shown=False)
    """Headers that the collector asks for: `name=value,name=value`, values percent-encoded. They are never logged."""
    content: str = _env("HEADGATE_OTLP_CONTENT")
    """Set to 1 to hand on the masked conversations too; without it they stay here."""


@dataclass(frozen=True, slots=True)
class OutboundSettings:
    """Where calls to model providers may go."""

    private_hosts: str = _env("HEADGATE_PRIVATE_HOSTS", "localhost")
    """Providers that may be at private addresses, comma separated: networks (`10.0.0.0/8`, open to every name),
    host names and `*.ends` (`vllm.models.svc`, `*.internal`: at any private address), and `localhost` (this machine,
    written as such). What is set replaces the default; `none` opens nothing."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything, in one place; passed down, never looked up again."""

    server: ServerSettings = field(default_factory=ServerSettings)
    client: ClientSettings = field(default_factory=ClientSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    bucket: BucketSettings = field(default_factory=BucketSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    outbound: OutboundSettings = field(default_factory=OutboundSettings)


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read all settings from the environment (`os.environ` unless given)."""
    source = os.environ if environment is None else environment
    return Settings(
        _section(ServerSettings, source),
        _section(ClientSettings, source),
        _section(StorageSettings, source),
        _section(BucketSettings, source),
        _section(TelemetrySettings, source),
        _section(OutboundSettings, source),
    )


def plain_environment(**more: str) -> dict[str, str]:
    """Return the environment for a process that shall see no settings of Headgate but `more`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")} | more


def resolve_providers(
    entries: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str] | None = None
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Put the environment's values where a provider's settings say `${env:NAME}`.

    Returns the settings, and the names of variables that are not set. What names one of those stays as it is
    written: the provider then says, when it is called, which variable it lacks.
    """
    source = os.environ if environment is None else environment
    missing: list[str] = []
    found = {name: _filled(entry, source, missing) for name, entry in entries.items()}
    return found, sorted(set(missing))


def _section(kind: type[Section], source: Mapping[str, str]) -> Section:
    values = {}
    for item in fields(kind):  # type: ignore[arg-type]
        value = source.get(item.metadata["env"])
        if value:
            values[item.name] = value
    return kind(**values)


def _filled(value: Any, source: Mapping[str, str], missing: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(item, source, missing) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, source, missing) for item in value]
    if not isinstance(value, str) or "${env:" not in value:
        return value
    text, rest = "", value
    while "${env:" in rest:
        before, _, after = rest.partition("${env:")
        name, closed, rest = after.partition("}")
        if not closed or name.strip() not in source:
            missing.append(name.strip())
            return value
        text += before + source[name.strip()]
    return text + rest
