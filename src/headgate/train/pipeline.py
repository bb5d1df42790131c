"""What a training file declares: a `Pipeline`, and the functions that fill it. Imported by people's own code.

    from headgate.train import Pipeline

    router = Pipeline(dataset="data/utterances", target="intent", segments=["channel"])

    @router.fit
    def fit(train, params):
        return make_pipeline(...).fit(train.column("text"), train.column("intent"))

It runs nothing: `train.run` calls the functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from headgate.kernel import InvalidInput, nearest

Row = dict[str, Any]
Fit = TypeVar("Fit", bound=Callable[["TrainingRows", dict[str, Any]], Any])
Params = TypeVar("Params", bound=Callable[[], Mapping[str, Any]])


class TrainingRows:
    """The rows that `fit` may learn from; what is held out for measuring is not among them."""

    def __init__(self, rows: Sequence[Row], columns: Sequence[str]) -> None:
        self._rows = list(rows)
        self.columns = tuple(columns)

    @property
    def rows(self) -> list[Row]:
        """Every row as a mapping from column to value, None where a value is missing."""
        return [dict(row) for row in self._rows]

    def column(self, name: str) -> list[Any]:
        """Return the values of one column in the order of the rows. Raises InvalidInput with the nearest name."""
        if name not in self.columns:
            raise InvalidInput(f"the dataset has no column {name!r}", nearest(name, self.columns))
        return [row.get(name) for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)


class Pipeline:
    """How one model is trained.

    dataset: path of a dataset, as in `data/utterances`. target: the column to predict. segments: columns by which
    metrics are also told. features: the columns that the model is given when it serves, in this order: one text, or
    numbers. holdout: share of each label's rows that is kept for measuring.
    """

    def __init__(
        self,
        *,
        dataset: str,
        target: str,
        segments: Sequence[str] = (),
        features: Sequence[str] = ("text",),
        holdout: float = 0.2,
    ) -> None:
        for name, value in (("segments", segments), ("features", features)):
            if isinstance(value, str):
                raise InvalidInput(f"{name} is a list of columns", f'write {name}=["{value}"]')
        if not features:
            raise InvalidInput("a model needs at least one feature", 'write features=["text"]')
        if not 0 < holdout < 1:
            raise InvalidInput(f"holdout is a share between 0 and 1, not {holdout}", "0.2 keeps every fifth row")
        self.dataset, self.target = dataset, target
        self.segments, self.features, self.holdout = tuple(segments), tuple(features), holdout
        self.trains: Callable[[TrainingRows, dict[str, Any]], Any] | None = None
        self.defaults: Callable[[], Mapping[str, Any]] | None = None

    def fit(self, function: Fit) -> Fit:
        """Mark `function(train, params)`: it returns a fitted scikit-learn classifier."""
        self.trains = function
        return function

    def params(self, function: Params) -> Params:
        """Mark `function()`: it returns the parameters' names and default values."""
        self.defaults = function
        return function
