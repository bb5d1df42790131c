"""Reads JSON lines: one object a line; a key that an object lacks is a missing value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from headgate.data.table import Fault, Table
from headgate.kernel import InvalidInput, Where

_MAX_LINE = 1024 * 1024


class Plugin:
    behaviour = 1

    def read(self, text: str, file: str) -> Table:
        columns: dict[str, None] = {}
        objects: list[dict[str, Any]] = []
        lines: list[int] = []
        faults: list[Fault] = []
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                found = _object(line)
            except (ValueError, RecursionError) as problem:
                faults.append(Fault(number, _told(problem)))
                continue
            columns.update(dict.fromkeys(found))
            objects.append(found)
            lines.append(number)
        if not objects and not faults:
            raise InvalidInput("is empty", "write one JSON object a line", where=Where(file, 1))
        names = tuple(columns)
        return Table(names, [[found.get(name) for name in names] for found in objects], lines, faults)

    def lines(self, text: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
        kept = [{name: row[name] for name in columns if row.get(name) is not None} for row in rows]
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)


def _object(line: str) -> dict[str, Any]:
    if len(line) > _MAX_LINE:
        raise ValueError("is longer than 1 MiB")
    found = json.loads(line, object_pairs_hook=_once, parse_constant=_constant)
    if not isinstance(found, dict):
        raise ValueError("is not a JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("writes a key twice")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"holds {name}, which is no JSON")


def _told(problem: Exception) -> str:
    if isinstance(problem, json.JSONDecodeError):
        return f"is not valid JSON: {problem.msg} at character {problem.pos + 1}"
    return "is nested too deeply" if isinstance(problem, RecursionError) else str(problem)


plugin = Plugin()
