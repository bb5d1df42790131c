"""MLflow's scoring protocol: `POST /invocations`, `GET /ping` and `GET /version`. Called by the app.

Errors have MLflow's envelope. Rows come as `dataframe_split`, `dataframe_records`, `instances`, `inputs` or CSV; the
model is named by a header or the query, or is the only one served.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from headgate.http.bodies import decode_object
from headgate.http.exchange import Exchange, encode
from headgate.kernel import HeadgateError, nearest
from headgate.platform import Known

from .scoring import Ask, Content, Scoring
from .tensors import invalid

_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_CODES = {
    400: "INVALID_PARAMETER_VALUE", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "RESOURCE_DOES_NOT_EXIST",
    405: "BAD_REQUEST", 413: "BAD_REQUEST", 415: "BAD_REQUEST", 429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
}  # fmt: skip
PATHS = frozenset({"/invocations", "/ping", "/health", "/version"})
Inputs = Sequence[tuple[str, str]]
Rows = list[dict[str, Any]]


class Invocations:
    """MLflow's routes of one gateway. `ready` tells whether the server is."""

    def __init__(self, scoring: Scoring, version: str, ready: Callable[[], bool]) -> None:
        self.scoring, self.inference, self.version, self.ready = scoring, scoring.inference, version, ready

    async def invoke(self, exchange: Exchange, known: Known) -> None:
        """Answer one request. Raises HeadgateError before anything was sent, Gone when the client left."""
        kind = exchange.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind not in ("application/json", "text/csv"):
            error = invalid(f"{kind[:80]!r} is not accepted", "send application/json or text/csv")
            error.status = 415
            raise error
        query = parse_qs(exchange.scope.get("query_string", b"").decode("latin-1"))
        name = exchange.headers.get("x-headgate-model", "") or (query.get("model") or [""])[0]
        served = await self.inference.find(known, name or await self.inference.only(known))
        await self.scoring.answer(exchange, known, served, _csv if kind == "text/csv" else _json)

    async def ping(self, exchange: Exchange) -> None:
        ready = self.ready()
        await exchange.bytes(200 if ready else 503, b"\n", b"text/plain; charset=utf-8")

    async def about(self, exchange: Exchange) -> None:
        await exchange.bytes(200, self.version.encode(), b"text/plain; charset=utf-8")


def error_body(error: HeadgateError) -> dict[str, Any]:
    """Return an error in MLflow's envelope."""
    return {"error_code": _CODES.get(error.status, "INTERNAL_ERROR"), "message": str(error)}


def _json(body: bytes, ask: Ask) -> Content:
    asked = decode_object(body)
    if asked.get("params"):
        raise invalid("`params` is not offered: these models take none", "leave it out")
    forms = [form for form in _FORMS if form in asked]
    if len(forms) != 1:
        found = " and ".join(forms) or ", ".join(sorted(asked)[:5]) or "an empty object"
        raise invalid(f"the body holds {found}", f"send exactly one of {', '.join(_FORMS)}")
    return _answered(ask, _READERS[forms[0]](asked[forms[0]], ask.served.model.inputs))


def _csv(body: bytes, ask: Ask) -> Content:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise invalid("the CSV is not UTF-8") from None
    try:
        lines = [line for line in csv.reader(io.StringIO(text), strict=True) if line]
    except csv.Error as problem:
        raise invalid(f"the body is not CSV: {problem}") from None
    if not lines:
        raise invalid("the CSV has no header", "its first line names the columns")
    inputs = ask.served.model.inputs
    numbers = {name for name, sort in inputs if sort == "number"}
    rows = _table(lines[0], lines[1:], inputs)
    for row in rows:
        for name in numbers:
            row[name] = _number(name, row[name])
    return _answered(ask, rows)


def _number(name: str, shown: str) -> float | None:
    try:
        return float(shown) if shown.strip() else None
    except ValueError:
        raise invalid(f"the column {name!r} holds {shown[:40]!r}, expected a number") from None


def _answered(ask: Ask, rows: Rows) -> Content:
    _check(rows, ask.served.model.inputs)
    found = ask.infer(rows)
    return encode({"predictions": [item.label for item in found]}), b"application/json", []


def _split(value: Any, inputs: Inputs) -> Rows:
    """Read pandas' `split`: columns, and data row by row. An index is not needed and not read."""
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise invalid("`dataframe_split` is no object with `columns` and `data`")
    columns = value.get("columns")
    return _table([name for name, _ in inputs] if columns is None else columns, value["data"], inputs)


def _records(value: Any, inputs: Inputs) -> Rows:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise invalid("`dataframe_records` is no list of objects")
    wanted = {name for name, _ in inputs}
    for number, row in enumerate(value):
        if row.keys() != wanted:
            _refuse_columns(row, wanted, f"row {number}: ")
    return value


def _instances(value: Any, inputs: Inputs) -> Rows:
    """Read TensorFlow's row format: objects, lists in the order of the model's inputs, or values of its one input."""
    if not isinstance(value, list):
        raise invalid("`instances` is no list", "send one item a row")
    if all(isinstance(row, dict) for row in value):
        return _records(value, inputs)
    names = [name for name, _ in inputs]
    return _table(names, [row if isinstance(row, list) else [row] for row in value], inputs)


def _columns(value: Any, inputs: Inputs) -> Rows:
    """Read TensorFlow's column format: name to values; a list is read as `instances` are."""
    if not isinstance(value, dict):
        return _instances(value, inputs)
    columns = {name: values if isinstance(values, list) else [values] for name, values in value.items()}
    _refuse_columns(columns, {name for name, _ in inputs})
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise invalid("the columns differ in length: " + ", ".join(f"{name} {n}" for name, n in lengths.items()))
    plain = [[item[0] if isinstance(item, list) and len(item) == 1 else item for item in columns[n]] for n, _ in inputs]
    names = [name for name, _ in inputs]
    return [dict(zip(names, row, strict=True)) for row in zip(*plain, strict=True)]


_READERS: Mapping[str, Callable[[Any, Inputs], Rows]] = {
    "dataframe_split": _split, "dataframe_records": _records, "instances": _instances, "inputs": _columns,
}  # fmt: skip


def _table(columns: Any, data: Sequence[Any], inputs: Inputs) -> Rows:
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise invalid("`columns` is no list of names")
    if len(set(columns)) != len(columns):
        raise invalid("a column is named twice")
    _refuse_columns(dict.fromkeys(columns), {name for name, _ in inputs})
    for number, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(columns):
            held = len(row) if isinstance(row, list) else "no list of"
            raise invalid(f"row {number} holds {held} values for {len(columns)} columns")
    return [dict(zip(columns, row, strict=True)) for row in data]


def _refuse_columns(found: Mapping[str, Any], wanted: set[str], where: str = "") -> None:
    """Raise InvalidInput unless these are exactly the model's columns."""
    for name in found:
        if name not in wanted:
            raise invalid(f"{where}the model has no column {str(name)[:80]!r}", nearest(str(name)[:80], wanted))
    for name in sorted(wanted):
        if name not in found:
            raise invalid(f"{where}the column {name!r} is missing", f"the model takes {', '.join(sorted(wanted))}")


def _check(rows: Rows, inputs: Inputs) -> None:
    """Raise InvalidInput for a value that is not of its column's type; null is a missing one."""
    for name, sort in inputs:
        allowed: set[type] = {int, float, type(None)} if sort == "number" else {str, type(None)}
        if not allowed.issuperset({type(row[name]) for row in rows}):
            number = next(index for index, row in enumerate(rows) if type(row[name]) not in allowed)
            told = f"row {number}: the column {name!r} holds {str(rows[number][name])[:40]!r}"
            expected = "a number" if sort == "number" else "a text"
            raise invalid(f"{told}, expected {expected}", "null is a missing value")
