"""Mistakes in people's training code: one sentence with their file and line, never a traceback."""

from __future__ import annotations

from typing import Any

import pytest

from headgate import train
from headgate.kernel import InvalidInput, NotFound

FIT = "    from sklearn.feature_extraction"
MISTAKES = {
    "syntax": ("@router.fit\ndef fit(", "@router.fit\ndef fit((", 12, "is not valid Python"),
    "import": (FIT, "    import nowhere_to_be_found\n" + FIT, 13, "no module 'nowhere_to_be_found'"),
    "at load": ("@router.params", "1 / 0\n\n@router.params", 6, "ZeroDivisionError: division by zero"),
    "in fit": (FIT, "    {}['key']\n" + FIT, 13, "KeyError: 'key'"),
    "in params": ('    return {"C": 10}', "    return len(5)", 8, "TypeError"),
    "column": ('train.column("text")', 'train.column("texts")', 19, "no column 'texts'"),
    "no argument": ("def fit(train, params)", "def fit(train)", None, "TypeError"),
    "exit": (FIT, "    raise SystemExit\n" + FIT, 13, "SystemExit"),
    "no pipeline": ("router = Pipeline", "from functools import partial\nrouter = partial(Pipeline", 1, ""),
    "no classifier": ("    return model.fit(", "    return str(", None, "is no fitted classifier|TypeError"),
    "target": ('target="intent"', 'target="intend"', None, "target 'intend' is no column"),
    "feature": ('segments=["channel"]', 'features=["txt"]', None, "feature 'txt' is no column"),
    "segment": ('segments=["channel"]', 'segments=["chanel"]', None, "segment 'chanel' is no column"),
    "segments as text": ('segments=["channel"]', 'segments="channel"', 3, "segments is a list of columns"),
    "holdout": ('segments=["channel"]', "holdout=20", 3, "holdout is a share"),
    "not a key": ('segments=["channel"]', "segmnets=[]", 3, "TypeError"),
    "dataset": ("data/questions", "data/question", None, "no file data/question.yaml|never added"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_by_file_and_line(desk: Any, name: str) -> None:
    old, new, line, says = MISTAKES[name]
    desk.edit("models/router.py", old, new)
    if name == "no pipeline":
        desk.edit("models/router.py", 'segments=["channel"])', 'segments=["channel"])())')
        desk.write("models/router.py", "x = 1\n")
        says = "declares no Pipeline"
    with pytest.raises(InvalidInput, match=says) as caught:
        train.run(desk, train.TrainRun(model="models/router"))
    assert caught.value.where is not None
    if name != "dataset":
        assert caught.value.where.file == "models/router.py"
    if line:
        assert caught.value.where.line == line
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_mistake_in_an_imported_file_names_that_file(desk: Any) -> None:
    desk.write("models/words.py", "def split(text):\n    return text.nothing\n")
    desk.edit("models/router.py", FIT, "    from models.words import split\n    split('a')\n" + FIT)
    with pytest.raises(InvalidInput) as caught:
        train.run(desk, train.TrainRun(model="models/router"))
    assert str(caught.value.where) == "models/words.py:2"


def test_relative_and_absolute_imports_of_the_project_work(desk: Any) -> None:
    desk.write("models/words.py", "TOKENS = r'[a-zA-Z0-9]+'\n")
    desk.edit(
        "models/router.py",
        "from headgate",
        "from .words import TOKENS\nfrom models import words as project\nfrom headgate",
    )
    desk.edit("models/router.py", 'r"[a-zA-Z0-9]+"', "project.TOKENS")
    assert train.run(desk, train.TrainRun(model="models/router")).new
    desk.write("models/words.py", "TOKENS = r'[a-z]+'\n")
    with pytest.raises(InvalidInput, match="other code"):
        train.locked(desk.root, "models/router", False)


def test_two_pipelines_in_one_file_are_refused(desk: Any) -> None:
    desk.edit(
        "models/router.py", "@router.params", 'risk = Pipeline(dataset="data/questions", target="x")\n\n@router.params'
    )
    with pytest.raises(InvalidInput, match="several pipelines: risk, router"):
        train.run(desk, train.TrainRun(model="models/router"))
    desk.edit("models/router.py", 'risk = Pipeline(dataset="data/questions", target="x")', "alias = router")
    assert train.run(desk, train.TrainRun(model="models/router.py")).new


def test_a_pipeline_without_fit_is_refused(desk: Any) -> None:
    desk.edit("models/router.py", "@router.fit\n", "")
    with pytest.raises(InvalidInput, match="no fit function"):
        train.run(desk, train.TrainRun(model="models/router"))


def test_a_file_that_is_not_there_suggests_the_nearest(desk: Any) -> None:
    with pytest.raises(NotFound) as caught:
        train.run(desk, train.TrainRun(model="models/ruoter"))
    assert "models/router.py" in caught.value.hint


def test_features_of_a_type_that_no_model_takes_are_refused(desk: Any) -> None:
    desk.edit("data/questions.yaml", "{type: integer}", "{type: date}")
    lines = (desk.root / "data/questions.csv").read_text().splitlines()
    dated = [line.rpartition(",")[0] + ",2026-01-01" for line in lines[1:]]
    desk.write("data/questions.csv", "\n".join([lines[0], *dated]) + "\n")
    from headgate import data

    data.add(desk, data.DataAdd(dataset="data/questions"))
    desk.edit("models/router.py", 'segments=["channel"]', 'features=["length"]')
    with pytest.raises(InvalidInput, match="of type date"):
        train.run(desk, train.TrainRun(model="models/router"))
