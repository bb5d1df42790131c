"""Settings: what the environment says, and providers filled from it."""

from __future__ import annotations

import dataclasses

from headgate.platform import ClientSettings, ServerSettings, StorageSettings, read_settings
from headgate.platform.settings import BucketSettings, OutboundSettings, resolve_providers


def test_without_an_environment_there_are_defaults() -> None:
    settings = read_settings({})
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", "8000")
    assert settings.client.url == ""


def test_every_field_is_read_from_its_variable() -> None:
    for section in (ServerSettings, ClientSettings, StorageSettings, BucketSettings, OutboundSettings):
        for item in dataclasses.fields(section):
            name = item.metadata["env"]
            read = read_settings({name: "given"})
            parts = (read.server, read.client, read.storage, read.bucket, read.outbound)
            found = [getattr(part, item.name) for part in parts if type(part) is section]
            assert found == ["given"], name


def test_an_empty_variable_is_no_setting() -> None:
    assert read_settings({"HEADGATE_HOST": ""}).server.host == "127.0.0.1"


def test_keys_of_a_bucket_are_not_shown() -> None:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    assert "given" not in repr(read_settings(dict.fromkeys(names, "given")))


def test_providers_are_filled_from_the_environment() -> None:
    entries = {"lab": {"type": "openai", "key": "${env:LAB}", "base_url": "http://${env:HOST}:${env:PORT}/v1"}}
    found, missing = resolve_providers(entries, {"LAB": "secret", "HOST": "gpu", "PORT": "1"})
    assert found == {"lab": {"type": "openai", "key": "secret", "base_url": "http://gpu:1/v1"}}
    assert missing == []


def test_a_variable_that_is_not_set_is_named_and_stays_as_written() -> None:
    entry = {"type": "openai", "key": "${env:LAB}", "n": [1, "${env:B}"]}
    found, missing = resolve_providers({"lab": entry}, {})
    assert found == {"lab": entry}
    assert missing == ["B", "LAB"]
