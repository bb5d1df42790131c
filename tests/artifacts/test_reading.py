"""Reading: by path, digest or its beginning; every byte verified; helpful when there is nothing."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from sqlalchemy import update

from headgate import artifacts
from headgate.kernel import Corrupt, Draft, InvalidInput, NotFound, blob_digest
from headgate.store import tables

PAGE = b"A page.\n"


@pytest.fixture
def drafts(desk: Any) -> list[Draft]:
    made = [
        Draft("prompt", 1, "prompts/answer", {"text": "one"}),
        Draft("prompt", 1, "prompts/answer", {"text": "two"}),
        Draft("model", 2, "models/router", {"labels": ["a"]}, {blob_digest(PAGE): PAGE}, about={"dataset": "d"}),
    ]
    for draft in made:
        artifacts.upload(desk, [draft])
        desk.clock.advance(1)
    return made


def test_a_path_shows_its_newest_version_and_its_history(desk: Any, drafts: list[Draft]) -> None:
    shown = desk.call("artifact.show", {"name": "prompts/answer"})
    assert shown["document"] == {"text": "two"}
    assert [row["digest"] for row in shown["versions"]] == [drafts[1].digest, drafts[0].digest]
    assert shown["schema"] == 1


def test_a_digest_or_its_beginning_shows_that_version(desk: Any, drafts: list[Draft]) -> None:
    wanted = drafts[0].digest
    for name in (wanted, wanted[:15], wanted[7:19]):
        assert desk.call("artifact.show", {"name": name})["digest"] == wanted


def test_digits_that_fit_several_are_refused_with_their_names(desk: Any, drafts: list[Draft]) -> None:
    with desk.context() as ctx:
        for ending in "0", "1":
            row = {"project_id": "shop", "digest": "sha256:" + "ab" * 31 + "a" + ending, "kind": "prompt", "schema": 1}
            rest = {
                "path": "p/x",
                "document": {},
                "about": {},
                "blobs": [],
                "created_at": 0.0,
                "created_by": "person_a",
            }
            ctx.tx.execute(tables.artifact.insert().values(**row, **rest))
    with pytest.raises(InvalidInput, match="several") as caught:
        desk.call("artifact.show", {"name": "abababababab"})
    assert "p/x" in caught.value.hint


def test_a_name_that_fits_nothing_suggests_the_nearest(desk: Any, drafts: list[Draft]) -> None:
    with pytest.raises(NotFound) as caught:
        desk.call("artifact.show", {"name": "models/ruoter"})
    assert caught.value.hint == "did you mean 'models/router'?"
    for name in ("sha256:" + "0" * 64, "00000000", "%", "prompts/%"):
        with pytest.raises(NotFound):
            desk.call("artifact.show", {"name": name})
    with pytest.raises(NotFound, match="no artifact") as caught:
        desk.be("intruder", "elsewhere").call("artifact.show", {"name": "models/router"})
    assert "nothing is registered" in caught.value.hint


def test_the_list_is_filtered_newest_first_and_bounded(desk: Any, drafts: list[Draft]) -> None:
    everything = desk.call("artifact.list", {})["artifacts"]
    assert [row["digest"] for row in everything] == [draft.digest for draft in reversed(drafts)]
    assert len(desk.call("artifact.list", {"kind": "prompt"})["artifacts"]) == 2
    assert len(desk.call("artifact.list", {"limit": 1})["artifacts"]) == 1
    assert desk.be("intruder", "elsewhere").call("artifact.list", {})["artifacts"] == []


def test_a_blob_is_handed_out_only_with_the_artifact_that_names_it(desk: Any, drafts: list[Draft]) -> None:
    shown = desk.call("artifact.show", {"name": "models/router", "blob": blob_digest(PAGE)})
    assert base64.b64decode(shown["content"]) == PAGE
    with pytest.raises(NotFound, match="has no blob"):
        desk.call("artifact.show", {"name": "prompts/answer", "blob": blob_digest(PAGE)})


CHANGES: list[dict[str, Any]] = [
    {"document": {"labels": ["b"]}},
    {"document": {"labels": ["a"], "more": 1}},
    {"document": {}},
    {"document": []},
    {"kind": "prompt"},
    {"schema": 3},
]


def test_a_changed_record_is_corrupt(desk: Any, drafts: list[Draft]) -> None:
    table, draft = tables.artifact, drafts[2]
    whole = {"document": draft.document, "kind": draft.kind, "schema": draft.schema}
    for change in CHANGES:
        with desk.context() as ctx:
            ctx.tx.execute(update(table).where(table.c.digest == draft.digest).values(**{**whole, **change}))
        with desk.context() as ctx, pytest.raises(Corrupt):
            artifacts.get(ctx.tx, "shop", draft.digest)
        with pytest.raises(Corrupt):
            desk.call("artifact.show", {"name": "models/router"})


def test_every_flipped_byte_of_a_document_is_noticed(desk: Any, drafts: list[Draft]) -> None:
    if desk.store.records.dialect != "sqlite":
        pytest.skip("the raw text of a JSON column is written through SQLite's own driver")
    digest = drafts[2].digest
    text = json.dumps(drafts[2].document)
    for place in range(len(text)):
        flipped = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        with desk.context() as ctx:
            statement = "UPDATE artifact SET document = ? WHERE digest = ?"
            ctx.tx.connection.exec_driver_sql(statement, (flipped, digest))
        with desk.context() as ctx, pytest.raises(Corrupt):
            artifacts.get(ctx.tx, "shop", digest)


def test_a_changed_blob_is_corrupt(desk: Any, drafts: list[Draft]) -> None:
    import obstore

    plain = blob_digest(PAGE).removeprefix("sha256:")
    obstore.put(desk.store.blobs._store, f"{plain[:2]}/{plain}", b"B page.\n")
    with pytest.raises(Corrupt):
        desk.call("artifact.show", {"name": "models/router", "blob": blob_digest(PAGE)})
