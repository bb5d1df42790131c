"""Files that people write, read into data that remembers its lines, and checked with errors for people.

Called by every kind's parser. YAML is 1.2 (so `no` and `on` are strings), duplicate keys are refused, aliases
may not multiply the document, and nothing in a file can name code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from .digest import normalise
from .errors import InvalidInput, NotFound, Where, nearest

Path_ = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)
_MAX_NODES = 500_000
_MAX_BYTES = 16 * 1024 * 1024
_INT = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BOUNDS = {
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "greater_than": "more than {gt}",
    "less_than": "less than {lt}",
}
_EXPECTED = {
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "a list, as in [one, other]"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping, as in {{key: value}}"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "text",
    **_BOUNDS,
}
"""What people are told instead of the types that a file is read into."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file: `data` as plain values, `lines` from key path to 1-based line, `text` in normal form."""

    file: str
    text: str
    data: Any
    lines: dict[Path_, int] = field(default_factory=dict)
    first_line: int = 0

    def where(self, path: Sequence[str | int] = ()) -> Where:
        """Return the place of `path`, or of its nearest ancestor that has a line."""
        key = dotted(path)
        trail = tuple(path)
        while trail and trail not in self.lines:
            trail = trail[:-1]
        line = self.lines.get(trail, 1) + self.first_line
        return Where(self.file, line, key or None)


def dotted(path: Sequence[str | int]) -> str:
    """Render a key path: `('gates', 'release', 0, 'suite')` as `gates.release[0].suite`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def read_text(root: Path, file: str) -> str:
    """Return a project file's text in normal form (NFC, LF). Raises NotFound, or InvalidInput when it is not UTF-8."""
    path = root / file
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no file {file}", nearest_file(root, file), where=Where(file)) from None
    except OSError as problem:
        raise InvalidInput(f"cannot be read: {problem.strerror}", where=Where(file)) from None
    if len(raw) > _MAX_BYTES:
        raise InvalidInput("is larger than 16 MiB", "project files are text that people write", where=Where(file))
    try:
        return normalise(raw.decode("utf-8"))
    except UnicodeDecodeError as problem:
        line = raw[: problem.start].count(b"\n") + 1
        raise InvalidInput("is not UTF-8 text", "save the file as UTF-8", where=Where(file, line)) from None


def nearest_file(root: Path, file: str) -> str:
    """Hint at the nearest existing file beside `file`, as the project would name it."""
    folder = (root / file).parent
    if not folder.is_dir():
        return ""
    prefix = file.rpartition("/")[0]
    names = [f"{prefix}/{child.name}".lstrip("/") for child in folder.iterdir() if child.is_file()]
    return nearest(file, names) if names else ""


def parse_yaml(text: str, file: str, first_line: int = 0) -> Source:
    """Parse one YAML document. `first_line` shifts line numbers for YAML inside another file (front matter)."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = (mark.line + 1 if mark else 1) + first_line
        what = getattr(problem, "problem", None) or str(problem).splitlines()[0]
        raise InvalidInput(
            f"is not valid YAML: {what}", "check indentation and quotes", where=Where(file, line)
        ) from None
    except (UnicodeError, RecursionError):
        raise InvalidInput(
            "is not valid YAML: characters or nesting that YAML does not allow", where=Where(file)
        ) from None
    if node is None:
        return Source(file, text, None, {}, first_line)
    lines: dict[Path_, int] = {}
    builder = _Builder(file, first_line, lines)
    return Source(file, text, builder.build(node, ()), lines, first_line)


def read_yaml(root: Path, file: str) -> Source:
    return parse_yaml(read_text(root, file), file)


def validate(model: type[Model], source: Source, data: Any = None, at: Path_ = ()) -> Model:
    """Check `source.data` (or `data`, found at key path `at`) against a model.

    Raises InvalidInput for the first problem, naming file, line, key, what was expected and the nearest valid name.
    """
    value = source.data if data is None else data
    if not isinstance(value, dict):
        found = "nothing" if value is None else f"a {_kind(value)}"
        raise InvalidInput(f"expected a mapping of keys, found {found}", where=source.where(at))
    try:
        return model.model_validate(value)
    except ValidationError as problems:
        raise _explain(_telling(problems), model, source, at) from None


class _Builder:
    """Turns YAML nodes into plain values by the YAML 1.2 core schema, noting the line of every key."""

    def __init__(self, file: str, first_line: int, lines: dict[Path_, int]) -> None:
        self.file, self.first_line, self.lines = file, first_line, lines
        self.nodes = 0

    def fail(self, node: yaml.Node, message: str, hint: str = "", key: str | None = None) -> InvalidInput:
        return InvalidInput(message, hint, where=Where(self.file, node.start_mark.line + 1 + self.first_line, key))

    def build(self, node: yaml.Node, path: Path_) -> Any:
        self.nodes += 1
        if self.nodes > _MAX_NODES or len(path) > 64:
            raise self.fail(node, "is too large or too deep", "aliases must not multiply the document")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if not _plain_tag(node.tag):
            raise self.fail(node, f"uses the tag {node.tag}, which is not allowed", "write plain YAML")
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self.mapping(node, path)

    def mapping(self, node: yaml.Node, path: Path_) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.fail(key_node, "a key must be plain text")
            key = key_node.value
            if key in result:
                raise self.fail(key_node, f"the key {key!r} is written twice", "keep one of them", dotted((*path, key)))
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, (*path, key))
        return result

    def scalar(self, node: yaml.ScalarNode) -> Any:
        text = node.value
        if not _plain_tag(node.tag):
            raise self.fail(node, f"uses the tag {node.tag}, which is not allowed", "write plain YAML")
        if node.style in ("'", '"', "|", ">"):
            return text
        if text in ("", "~", "null", "Null", "NULL"):
            return None
        if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
            return text.lower() == "true"
        if _INT.fullmatch(text):
            return int(text, 0 if text[:2] in ("0o", "0x") else 10)
        return float(text) if _FLOAT.fullmatch(text) else text


def _plain_tag(tag: str) -> bool:
    return tag.startswith("tag:yaml.org,2002:") and not tag.startswith("tag:yaml.org,2002:python")


def _kind(value: Any) -> str:
    names = {dict: "mapping", list: "list", str: "text", bool: "true/false", int: "number", float: "number"}
    return names.get(type(value), type(value).__name__)


def _explain(problem: Any, model: type[BaseModel], source: Source, at: Path_) -> InvalidInput:
    """Turn pydantic's account into one sentence for the person who wrote the file."""
    added = ("function-", "tagged-", "[key]")
    path = tuple(part for part in problem["loc"] if not (isinstance(part, str) and part.startswith(added)))
    shown = _real_path(source, (*at, *path))
    kind, value = problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        hint = nearest(str(path[-1]), _fields(model, path[:-1]))
        return InvalidInput(f"there is no key {path[-1]!r} here", hint, where=source.where(shown))
    if kind == "missing":
        where = source.where(shown[:-1] if shown and shown[-1] == path[-1] else shown)
        return InvalidInput(
            f"the key {path[-1]!r} is missing", where=Where(where.file, where.line, dotted((*at, *path)))
        )
    if kind == "literal_error":
        expected = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        return InvalidInput(f"{value!r} is not known here", nearest(str(value), expected), where=source.where(shown))
    return InvalidInput(_sentence(problem), where=source.where(shown))


def _telling(problems: ValidationError) -> Any:
    """Return the problem to speak of: before a key that is missing, the unknown one that was meant for it."""
    found = problems.errors(include_url=False)
    first = found[0]
    if first["type"] != "missing":
        return first
    beside = (one for one in found if one["type"] == "extra_forbidden" and one["loc"][:-1] == first["loc"][:-1])
    return next(beside, first)


def _sentence(problem: Any) -> str:
    """Say what was expected, in words of the file and not of the parser, and what was found."""
    kind, value, bounds = problem["type"], problem.get("input"), problem.get("ctx") or {}
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind in ("value_error", "assertion_error"):
        return message
    plain = {name: int(bound) if bound == int(bound) else bound for name, bound in bounds.items() if kind in _BOUNDS}
    expected = _EXPECTED.get(kind, "").format(**plain)
    message = f"expected {expected}" if expected else f"{message[0].lower()}{message[1:]}"
    return f"{message}, found {value!r}"[:300]


def _real_path(source: Source, path: Path_) -> Path_:
    """Drop the parts that pydantic adds for unions and plugin tags and that the file does not have."""
    real: Path_ = ()
    for index, part in enumerate(path):
        if (*real, part) in source.lines or index == len(path) - 1:
            real = (*real, part)
    return real


def _fields(model: type[BaseModel], path: Sequence[str | int]) -> set[str]:
    """Return the keys valid at `path` inside `model`, following nested models, lists and mappings."""
    models: list[type[BaseModel]] = [model]
    for part in path:
        following: list[type[BaseModel]] = []
        for candidate in models:
            info = candidate.model_fields.get(str(part)) if isinstance(part, str) else None
            following += _models(info.annotation) if info else [candidate]
        models = following
    return {info.alias or name for candidate in models for name, info in candidate.model_fields.items()}


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models(part)]
