"""Registering: verified, idempotent, tenant by tenant, and first come stays."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select

from headgate import artifacts
from headgate.kernel import Draft, InvalidInput, NotFound, blob_digest
from headgate.store import tables

PAGE = b"Refunds take five days.\n"


def draft(text: str = "hello", path: str = "prompts/answer", **more: Any) -> Draft:
    return Draft("prompt", 1, path, {"text": text}, **more)


def register(desk: Any, made: Draft, blobs: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    request = {
        "kind": made.kind, "schema": made.schema, "path": made.path, "document": made.document, "about": made.about,
        "blobs": blobs or {},
    }  # fmt: skip
    return dict(desk.call("artifact.register", request))


def test_a_version_is_named_by_its_content(desk: Any) -> None:
    version = register(desk, draft())
    assert version["digest"] == draft().digest
    assert (version["new"], version["created_by"], version["path"]) == (True, "person_a", "prompts/answer")


def test_registering_again_changes_nothing(desk: Any) -> None:
    first = register(desk, draft(about={"note": "first"}))
    desk.clock.advance(60)
    again = register(desk.be("person_d"), draft(about={"note": "second"}))
    assert again == {**first, "new": False}
    shown = desk.call("artifact.show", {"name": first["digest"]})
    assert shown["about"] == {"note": "first"}
    assert len(shown["versions"]) == 1


def test_a_path_counts_its_versions_and_a_second_path_has_its_own(desk: Any) -> None:
    for text in ("one", "two", "one"):
        register(desk, draft(text))
    copied = register(desk, draft("one", path="prompts/copy"))
    assert copied["new"] is True
    rows = desk.call("artifact.list", {"path": "prompts/answer"})["artifacts"]
    assert [(row["seq"], row["digest"]) for row in rows] == [(2, draft("two").digest), (1, draft("one").digest)]


def test_bytes_must_be_what_their_digest_says(desk: Any) -> None:
    wrong = {blob_digest(PAGE): base64.b64encode(PAGE + b"!").decode()}
    with pytest.raises(InvalidInput, match="not what that digest says"):
        register(desk, draft(), wrong)
    with pytest.raises(InvalidInput, match="base64"):
        register(desk, draft(), {blob_digest(PAGE): "@@@@"})
    with pytest.raises(NotFound, match="no artifact"):
        desk.call("artifact.show", {"name": draft().digest})


def test_a_blob_that_is_only_named_must_be_there(desk: Any) -> None:
    named: dict[str, str | None] = {blob_digest(PAGE): None}
    with pytest.raises(NotFound, match=blob_digest(PAGE)):
        register(desk, draft(), named)
    register(desk, draft("first"), {blob_digest(PAGE): base64.b64encode(PAGE).decode()})
    assert register(desk, draft(), named)["new"] is True
    assert desk.call("artifact.show", {"name": draft().digest})["blobs"] == [blob_digest(PAGE)]


def test_another_projects_blob_can_be_neither_seen_nor_named(desk: Any) -> None:
    register(desk, draft(), {blob_digest(PAGE): base64.b64encode(PAGE).decode()})
    other = desk.be("intruder", "elsewhere")
    assert other.call("artifact.missing", {"digests": [blob_digest(PAGE), draft().digest]})["missing"] == [
        blob_digest(PAGE),
        draft().digest,
    ]
    with pytest.raises(NotFound):
        register(other, draft("mine"), {blob_digest(PAGE): None})
    with pytest.raises(NotFound):
        other.call("artifact.show", {"name": draft().digest})
    assert desk.call("artifact.missing", {"digests": [blob_digest(PAGE), draft().digest]})["missing"] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", "../secrets"),
        ("path", "/etc/passwd"),
        ("path", "prompts/../x"),
        ("path", "prompts//x"),
        ("path", "a\\b"),
        ("path", ""),
        ("kind", "Prompt"),
        ("kind", ""),
        ("schema", 0),
        ("blobs", {"md5:1": "aGk="}),
        ("extra", 1),
    ],
)
def test_what_is_not_a_version_is_refused(field: str, value: object) -> None:
    request = {"kind": "prompt", "schema": 1, "path": "prompts/a", "document": {}, field: value}
    with pytest.raises(ValidationError):
        artifacts.Register.model_validate(request)


def test_every_json_value_comes_back_and_still_verifies(desk: Any) -> None:
    values: tuple[Any, ...] = ("\x00", "\\u0000", "ünï🙂", 1.0, 1e-9, -0.0, 2**53 - 1, None, [], {"": {}})
    for value in values:
        made = Draft("prompt", 1, "prompts/odd", {"value": value}, about={"value": value})
        shown = desk.call("artifact.show", {"name": register(desk, made)["digest"]})
        assert shown["document"] == {"value": value}


def test_what_json_cannot_hold_is_refused(desk: Any) -> None:
    for value in (float("nan"), 2**60):
        for made in (Draft("prompt", 1, "p/a", {"value": value}), Draft("prompt", 1, "p/a", {}, about={"v": value})):
            with desk.context() as ctx, pytest.raises(InvalidInput):
                artifacts.put(ctx.tx, desk.store.blobs, "shop", made, "person_a", 0.0)


def test_racing_writers_of_one_path_make_one_version_each(desk: Any) -> None:
    def write(number: int) -> None:
        for index in range(5):
            register(desk, draft(f"{(index + number) % 6}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    rows = desk.call("artifact.list", {"path": "prompts/answer"})["artifacts"]
    assert sorted(row["seq"] for row in rows) == list(range(1, len(rows) + 1))
    with desk.context() as ctx:
        counted = ctx.tx.one(select(func.count().label("n")).select_from(tables.artifact))
    assert counted["n"] == len(rows) == 6


def test_an_upload_sends_only_what_is_lacking(desk: Any) -> None:
    pages = {blob_digest(PAGE): PAGE, blob_digest(b"other"): b"other"}
    first = draft("first", blobs={blob_digest(PAGE): PAGE})
    second = Draft("retrieval", 1, "retrieval/handbook", {"pages": sorted(pages)}, blobs=pages)
    artifacts.upload(desk, [first])
    desk.calls.clear()
    artifacts.upload(desk, [first, second, second])
    sent = [data for name, data in desk.calls if name == "artifact.register"]
    assert [(data["path"], data["blobs"]) for data in sent] == [
        ("retrieval/handbook", {blob_digest(PAGE): None, blob_digest(b"other"): base64.b64encode(b"other").decode()})
    ]
    desk.calls.clear()
    artifacts.upload(desk, [first, second])
    artifacts.upload(desk, [])
    assert [name for name, _ in desk.calls] == ["artifact.missing"]


def test_two_drafts_of_one_upload_share_a_blob(desk: Any) -> None:
    drafts = [draft(text, blobs={blob_digest(PAGE): PAGE}) for text in ("a", "b")]
    artifacts.upload(desk, drafts)
    sent = [data["blobs"] for name, data in desk.calls if name == "artifact.register"]
    assert [next(iter(blobs.values())) is None for blobs in sent] == [False, True]
