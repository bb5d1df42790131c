"""A locked model is pinned only while its data and code are what it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headgate import data, train
from headgate.artifacts import FILE, Lock
from headgate.kernel import InvalidInput, Kind, plugins


@pytest.fixture
def kind() -> Kind:
    loaded: Kind = plugins.load("kinds", "model")
    return loaded


@pytest.fixture
def digest(desk: Any) -> str:
    return train.run(desk, train.TrainRun(model="models/router")).digest


def locked(kind: Kind, root: Path, allow_stale: bool = False) -> str:
    assert kind.locked is not None
    return kind.locked(root, "models/router", allow_stale)


def test_an_untouched_project_gives_the_locked_digest(desk: Any, kind: Kind, digest: str) -> None:
    assert locked(kind, desk.root) == digest
    text = (desk.root / "data/questions.csv").read_text()
    (desk.root / "data/questions.csv").write_bytes(text.replace("\n", "\r\n").encode())
    (desk.root / "models/router.py").write_bytes((desk.root / "models/router.py").read_bytes().replace(b"\n", b"\r\n"))
    desk.write("data/questions.yaml", "# a comment\n" + (desk.root / "data/questions.yaml").read_text())
    assert locked(kind, desk.root) == digest


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("data/questions.csv", "billing", "outage", "other data"),
        ("data/questions.yaml", "{type: integer}", "{type: number}", "other data"),
        ("models/router.py", '"C": 10', '"C": 11', "other code"),
    ],
)
def test_a_changed_input_is_stale(desk: Any, kind: Kind, digest: str, file: str, old: str, new: str, says: str) -> None:
    desk.edit(file, old, new)
    with pytest.raises(InvalidInput, match=says) as caught:
        locked(kind, desk.root)
    assert caught.value.exit_code == 2
    assert "retrain with `headgate train models/router`" in caught.value.hint
    assert "--allow-stale" in caught.value.hint
    assert str(caught.value.where).startswith(file)
    assert locked(kind, desk.root, allow_stale=True) == digest


def test_data_added_since_makes_the_model_stale_until_it_is_trained_again(desk: Any, kind: Kind, digest: str) -> None:
    desk.edit("data/questions.csv", "billing", "outage")
    data.add(desk, data.DataAdd(dataset="data/questions"))
    with pytest.raises(InvalidInput, match="another version since"):
        locked(kind, desk.root)
    again = train.run(desk, train.TrainRun(model="models/router"))
    assert locked(kind, desk.root) == again.digest != digest


def test_a_model_that_was_never_trained_is_never_allowed(desk: Any, kind: Kind) -> None:
    for allow in (False, True):
        with pytest.raises(InvalidInput, match="never trained") as caught:
            locked(kind, desk.root, allow)
        assert "headgate train models/router" in caught.value.hint
        assert str(caught.value.where) == FILE


def test_parsing_a_model_is_refused(desk: Any, kind: Kind) -> None:
    with pytest.raises(InvalidInput, match="is trained, not read"):
        kind.parse(desk.root, "models/router")


def test_differences_are_told_in_sentences(desk: Any, kind: Kind, digest: str) -> None:
    before = desk.call("artifact.show", {"name": digest})
    assert kind.explain is not None
    assert kind.explain(before["document"], before["document"]) == []
    desk.edit("data/questions.yaml", "greeting]", "greeting, thanks]")
    rows = "".join(f"many thanks number {index} to all,thanks,chat,5\n" for index in range(20))
    desk.write("data/questions.csv", (desk.root / "data/questions.csv").read_text() + rows)
    data.add(desk, data.DataAdd(dataset="data/questions"))
    train.run(desk, train.TrainRun(model="models/router", param=("C=1",)))
    after = desk.call("artifact.show", {"name": "models/router"})
    assert kind.explain(before["document"], after["document"]) == ["the label 'thanks' is new", "it was trained again"]
    assert "the label 'thanks' is gone" in kind.explain(after["document"], before["document"])
    told = train.explain_lineage(before["about"], after["about"])
    assert told[0].startswith("other data: ")
    assert "parameter C 10 → 1" in told
    assert not any(sentence.startswith("other code") for sentence in told)
    assert Lock.read(desk.root).models["models/router"].dataset == after["about"]["dataset"]
