"""Training apart: in a process of its own, without this one's secrets, under limits, ended with it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel import InvalidInput, Unavailable
from headgate.train import Limits, train_apart

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
ROWS = "".join(f"my invoice {n} is wrong,billing\nthe router {n} blinks,device\n" for n in range(20))
FIT = """\
from headgate.train import Pipeline

router = Pipeline(dataset="data/words", target="intent")


@router.fit
def fit(train, params):
    {body}
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(CountVectorizer(token_pattern=r"[a-zA-Z0-9]+"), LogisticRegression())
    return model.fit(train.column("text"), train.column("intent"))
"""


def project(root: Path, body: str = "pass", rows: str = ROWS) -> Path:
    (root / "data").mkdir()
    (root / "models").mkdir()
    (root / "headgate.yaml").write_text("headgate: 1\nproject: acme\n")
    (root / "data/words.csv").write_text(f"text,intent\n{rows}")
    (root / "data/words.yaml").write_text(
        "source: data/words.csv\ncolumns:\n  text: {required: true}\n  intent: {in: [billing, device]}\n"
    )
    (root / "models/router.py").write_text(FIT.format(body=body))
    return root


def train(root: Path, **limits: Any) -> Any:
    wanted = Limits(**limits)
    return train_apart(root, "data/words", "models/router", params={"seed": 1}, limits=wanted, beat=lambda: None)


def test_what_comes_back_is_what_training_here_would_make(tmp_path: Path) -> None:
    made = train(project(tmp_path))
    assert [(item.kind, item.path) for item in made.artifacts[-2:]] == [
        ("dataset", "data/words"), ("model", "models/router"),
    ]  # fmt: skip
    assert made.added["rows"] == 40
    assert made.trained["metrics"]["accuracy"] == 1.0


def test_a_bad_batch_and_a_mistake_come_back_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(InvalidInput, match="breaks its expectations") as caught:
        train(project(tmp_path / "a", rows=f"{ROWS}hello,greeting\n"))
    assert caught.value.code == "bad_batch"
    assert caught.value.where is not None
    assert caught.value.where.line == 42
    with pytest.raises(InvalidInput, match="KeyError") as caught:
        train(project(tmp_path / "b", "{}['x']"))
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == ("models/router.py", 8)


def test_it_sees_no_secret_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_KEY", "hg_secret")
    monkeypatch.setenv("LAB_API_KEY", "secret")
    seen = tmp_path / "seen.json"
    train(project(tmp_path, f"import json, os; open({str(seen)!r}, 'w').write(json.dumps(dict(os.environ)))"))
    assert "secret" not in json.dumps(json.loads(seen.read_text()))


def test_what_takes_too_long_or_too_much_is_ended(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    began = time.monotonic()
    with pytest.raises(Unavailable, match="longer than 3 s"):
        train(project(tmp_path / "a", "import time; time.sleep(60)"), wall_s=3.0)
    assert time.monotonic() - began < 30
    with pytest.raises((InvalidInput, Unavailable), match=r"MemoryError|said nothing"):
        train(project(tmp_path / "b", "bytearray(8 * 1024**3)"), memory=4 * 1024**3)


def test_it_ends_when_whoever_started_it_stops_watching(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    root = project(tmp_path, f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)")

    def beat() -> None:
        if note.exists() and note.read_text():
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train_apart(root, "data/words", "models/router", params={}, limits=Limits(), beat=beat)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
