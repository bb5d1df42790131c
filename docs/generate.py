"""Writes the pages of `docs/reference/` from the code itself. `make docs` runs it; a test fails when a page is stale.

python docs/generate.py            write the pages
python docs/generate.py --check    exit 1 when a page on disk differs
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from error_codes import SECTIONS
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from headgate.cli.options import fields_of
from headgate.http.meters import Meters
from headgate.kernel import HeadgateError, errors, plugins, units
from headgate.models import Facts
from headgate.platform import operations, settings
from headgate.platform.roles import ROLES
from headgate.release import project, rules

FOLDER = Path(__file__).parent / "reference"
HEAD = "<!-- Written by docs/generate.py; edit the code instead. -->\n\n"
GROUPS = {
    "providers": "who runs language models (`providers:` in `headgate.yaml`)",
    "embedders": "texts to vectors (`embedder:` in `retrieval/*.yaml`)",
    "runtimes": "how trained models are served",
    "scorers": "what looks: assertions in suites, metrics of gates and monitors",
    "guards": "what policies may name (`policies/*.yaml`)",
    "chunkers": "how pages become passages (`chunker:`)",
    "stores": "where passages are searched (`store:`)",
    "readers": "file formats of datasets",
    "monitors": "what environments may watch (`watch:`)",
    "kinds": "kinds of artifact",
}
WRITTEN: Mapping[Any, str] = {
    units.parse_usd: "amount, as `$0.004`",
    units.parse_duration: "duration, as `2s`, `15m`",
    units.parse_share: "share, as `0.05` or `5%`",
}
PLAIN: Mapping[Any, str] = {str: "text", SecretStr: "text", int: "whole number", float: "number", bool: "yes or no"}


def target(operation: operations.Operation) -> Callable[..., Any]:
    module, _, name = operation.target.partition(":")
    return typing.cast(Callable[..., Any], getattr(importlib.import_module(module), name))


def request_model(operation: operations.Operation) -> type[BaseModel]:
    function = target(operation)
    name = list(inspect.signature(function).parameters)[1]
    return typing.cast(type[BaseModel], typing.get_type_hints(function)[name])


def type_name(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """Return a type as somebody who writes YAML or a command would say it."""
    if any(getattr(note, "func", None) in WRITTEN for note in metadata):
        return next(WRITTEN[note.func] for note in metadata if getattr(note, "func", None) in WRITTEN)
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_name(inner[0], inner[1:])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_name(part) for part in inner if part is not type(None)))
    if origin is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in inner)
    if origin in (list, tuple, frozenset, set):
        kinds = dict.fromkeys(type_name(part) for part in inner if part is not Ellipsis)
        return f"list of {plural(', '.join(kinds))}"
    if origin in (dict, Mapping):
        return "mapping" if inner[1] is Any else f"mapping of names to {plural(type_name(inner[1]))}"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "mapping"
    return PLAIN.get(annotation, "anything" if annotation is Any else getattr(annotation, "__name__", str(annotation)))


def plural(name: str) -> str:
    return {"mapping": "mappings", "text": "texts", "anything": "rules"}.get(name, name)


def fields_table(model: type[BaseModel]) -> Iterator[str]:
    rows = list(field_rows(model, ""))
    if rows:
        yield "| key | type | default | meaning |\n|---|---|---|---|"
        yield from rows


def field_rows(model: type[BaseModel], before: str) -> Iterator[str]:
    """Yield a row for each key; keys of nested mappings follow theirs, `[]` marks the items of a list."""
    said = attribute_docs(model)
    for name, info in model.model_fields.items():
        key = f"{before}{info.alias or name}"
        nested = nested_model(info.annotation)
        meaning = info.description or said.get(name) or (whole_line(nested[0]) if nested else "")
        kind = type_name(info.annotation, info.metadata)
        yield f"| `{key}` | {kind} | {'' if nested and not info.is_required() else default_of(info)} | {meaning} |"
        if nested and not before.count("."):
            yield from field_rows(nested[0], f"{key}{nested[1]}.")


def nested_model(annotation: Any, mark: str = "") -> tuple[type[BaseModel], str] | None:
    """Return the one model inside an annotation and what its keys are written behind: nothing, `[]` or `.NAME`."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation, mark
    origin = typing.get_origin(annotation)
    mark = "[]" if origin in (list, tuple) else ".NAME" if origin in (dict, Mapping) else mark
    found = [nested_model(part, mark) for part in typing.get_args(annotation)]
    models = [one for one in found if one is not None]
    return models[0] if len(models) == 1 else None


def default_of(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value in (None, "", [], (), {}) or value is False:
        return ""
    for note in info.metadata:
        if getattr(note, "func", None) is units.parse_duration:
            value = units.duration(value)
        if getattr(note, "func", None) is units.parse_usd:
            value = "$" + units.usd(value)
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple | frozenset) else str(value)
    return f"`{text}`"


def commands() -> str:
    lines = [
        "# Commands\n",
        "Every command takes `--json`, `--project DIR` and `--help`. What stands in capitals may be",
    ]
    lines += ["given by its place or by its name: `headgate release gate 5e4c7b8d prod` is"]
    lines += [
        "`headgate release gate 5e4c7b8d --environment prod`. Options marked *repeatable* may be given several times.\n"
    ]
    lines += ["Exit codes: 0 done or pass, 100 fail, 101 needs review, 2 wrong use, 3 not allowed, 4 not found or"]
    lines += ["conflict, 1 anything else.\n", "| command | what it does |", "|---|---|"]
    lines += [f"| `headgate {name}` | {summary} |" for name, summary in operations.COMMANDS.items()]
    lines += [
        f"| [`headgate {' '.join(row.words)}`](#headgate-{'-'.join(row.words)}) | {row.summary} |"
        for row in operations.OPERATIONS
        if row.words
    ]
    for row in operations.OPERATIONS:
        if row.words:
            lines += list(command(row))
    return "\n".join(lines) + "\n"


def command(row: operations.Operation) -> Iterator[str]:
    """Yield one command: how it is typed, who may run it, and its options."""
    model = request_model(row)
    fields = fields_of(model)
    places = [field.name.upper() if field.required else f"[{field.name.upper()}]" for field in fields if field.place]
    others = [f"{field.option} …" for field in fields if field.required and not field.place]
    words = " ".join(row.words)
    yield f"\n## headgate {words}\n"
    yield f"{row.summary[0].upper()}{row.summary[1:]}. {permission(row)}\n"
    yield f"    headgate {' '.join([words, *places, *others])}"
    if fields:
        yield "\n| option | takes | default | meaning |\n|---|---|---|---|"
    for field in fields:
        info = next(info for name, info in model.model_fields.items() if (info.alias or name) == field.name)
        takes = type_name(info.annotation, info.metadata).removeprefix("list of ").replace("texts", "text")
        takes = "" if field.sort == "flag" else takes
        takes += ", repeatable" if field.sort == "list" else ""
        meaning = info.description or ""
        yield f"| `{field.option}` | {takes} | {default_of(info)} | {meaning} |"


def permission(row: operations.Operation) -> str:
    if row.sort == "local":
        return "Works on the project's files."
    allowed = [role for role, held in ROLES.items() if row.permission in held]
    return f"Permission `{row.permission}`: {', '.join(allowed)}."


def operation_pages() -> str:
    lines = ["# Operations\n", "`POST /api/<name with / for .>` with a JSON body; reads also by `GET` with a query."]
    lines += [
        "`GET /api/openapi.json` describes all of them. `local` operations read and write project files and exist"
    ]
    lines += ["as commands only.\n", "| operation | sort | permission | what it does |", "|---|---|---|---|"]
    lines += [f"| `{row.name}` | {row.sort} | {row.permission} | {row.summary} |" for row in operations.OPERATIONS]
    lines += ["\n## Roles\n", "| role | permissions |", "|---|---|"]
    lines += [f"| `{role}` | {', '.join(sorted(allowed))} |" for role, allowed in ROLES.items()]
    return "\n".join(lines) + "\n"


def error_page() -> str:
    lines = ["# Errors\n", "| error | code | HTTP | exit code | meaning |", "|---|---|---|---|---|"]
    said = dict(re.findall(r"[├└]─ (\w+) +(.*?)  +\d{3}", errors.__doc__ or ""))
    for error in sorted(HeadgateError.__subclasses__(), key=lambda one: (one.status, one.__name__)):
        if error.__module__ == errors.__name__:
            meaning = said[error.__name__]
            lines.append(f"| {error.__name__} | `{error.code}` | {error.status} | {error.exit_code} | {meaning} |")
    lines += ["\nA blocked answer and a failed gate are not errors: they are answers. On `/v1` errors have OpenAI's"]
    lines += ["envelope (on `/v1/messages` Anthropic's), on `/api` they are RFC 9457 problems; all carry the code, and"]
    lines += ["the hint says what to do. [Where to look](../how-to/find-out-why-a-request-failed.md) tells the rest.\n"]
    lines += ["# Codes\n", "What a client of the gateway, or a trace of it, may name as the code of an error.\n"]
    for title, (about, rows) in SECTIONS.items():
        lines += [f"## {title}\n", f"{about}\n", "| code | HTTP | meaning | what to do |", "|---|---|---|---|"]
        lines += [f"| `{code}` | {status} | {meaning} | {todo} |" for code, (status, meaning, todo) in rows.items()]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def metrics_page() -> str:
    lines = [
        "# Metrics\n",
        "What `/metrics` tells, in Prometheus' text format. Times are histograms, in seconds; with several",
    ]
    lines += [
        "workers each sample has a label `worker`, and `headgate_worker_up` says who answers. On an address that is not"
    ]
    lines += ["loopback, and wherever there are keys, it takes a key that may read (role `viewer`).\n"]
    lines += ["| metric | type | meaning |", "|---|---|---|"]
    meters = Meters(lambda: 0, typing.cast(Any, types.SimpleNamespace(sent=0, dropped=0)))
    meters.watch(lambda: ())
    for family in sorted(meters.registry.collect(), key=lambda one: one.name):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        lines.append(f"| `{name}` | {family.type} | {family.documentation} |")
    return "\n".join(lines) + "\n"


def plugin_page() -> str:
    lines = ["# Plugins\n", "One file adds one: `headgate/<package>/<group>/<name>.py`, or an entry point in the group"]
    lines += ["`headgate.<group>` of another package.\n"]
    for group, meaning in GROUPS.items():
        lines += [f"## {group}\n", f"{meaning[0].upper()}{meaning[1:]}.\n", "| name | what it is |", "|---|---|"]
        lines += [f"| `{name}` | {module_line(place)} |" for name, place in plugins.names(group).items()]
        lines.append("")
        lines += list(plugin_options(group)) if group != "scorers" else []
    return "\n".join(lines).rstrip() + "\n"


def plugin_options(group: str) -> Iterator[str]:
    """Yield the options of each plugin of a group that has any."""
    for name in plugins.names(group):
        options = getattr(plugins.load(group, name), "options", None)
        if inspect.isclass(options) and issubclass(options, BaseModel) and options.model_fields:
            yield f"Options of `{name}`:\n"
            yield from fields_table(options)
            yield ""


def module_line(place: str) -> str:
    module = importlib.import_module(place.partition(":")[0])
    return " ".join((module.__doc__ or "").strip().split("\n\n")[0].split()).replace("|", "/")


def settings_page() -> str:
    lines = ["# Settings\n", "Where things are and who may reach them; nothing here can change an answer.\n"]
    for section in typing.get_type_hints(settings.Settings).values():
        title, _, more = first_line(section).partition(".")
        lines += [f"## {title}\n", *([f"{more.strip()}\n"] if more else []), "| variable | default | meaning |"]
        lines += ["|---|---|---|"]
        said = attribute_docs(section)
        for item in dataclasses.fields(section):
            default = f"`{item.default}`" if item.default else ""
            lines.append(f"| `{item.metadata['env']}` | {default} | {said.get(item.name, '')} |")
        lines.append("")
    return "\n".join(lines)


def attribute_docs(owner: type) -> Mapping[str, str]:
    """Return the string that follows each field of a class in its source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
    assert isinstance(body, ast.ClassDef)
    said = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            said[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return said


def first_line(owner: type) -> str:
    return (owner.__doc__ or "").strip().split("\n")[0] if "__doc__" in vars(owner) else ""


def whole_line(owner: type) -> str:
    """Return the first sentence of a class's own docstring, for a cell of a table."""
    text = " ".join((owner.__doc__ or "").split()) if "__doc__" in vars(owner) else ""
    return text.partition(". ")[0].rstrip(".").replace("|", "/")


def files_page() -> str:
    lines = [
        "# Keys of files\n",
        "What may stand in a project's files. [The template](../../src/headgate/templates/support/)",
    ]
    lines += [
        "shows each in use, with comments. `a.b` is the key `b` inside `a`; `a[].b` a key of each item of the list"
    ]
    lines += [
        "`a`; `a.NAME.b` a key of each entry of the mapping `a`. An unknown key is an error that names the nearest.\n"
    ]
    lines += ["## headgate.yaml\n", *fields_table(project.ProjectFile), ""]
    lines += ["## Facts of a provider\n", "What `providers.NAME.facts` may declare, whatever its type.\n"]
    lines += [*fields_table(Facts), "", *rule_lines()]
    lines += [
        "# Keys of artifacts\n",
        "What each kind of artifact holds once its file is parsed: this is what a digest covers.\n",
    ]
    for name in plugins.names("kinds"):
        kind = plugins.load("kinds", name)
        lines += [f"## {name}\n", f"{first_line(kind.model)}\n", *fields_table(kind.model), ""]
    return "\n".join(lines).rstrip() + "\n"


def rule_lines() -> Iterator[str]:
    """Yield the sorts of rule that a gate may hold."""
    yield "## Rules of a gate\n"
    yield "Each item of `gates.NAME` is one of these; its keys say which.\n"
    for model in typing.get_args(rules.Rule):
        yield f"### {model.__name__.removesuffix('Rule').lower()}\n"
        yield f"{' '.join((model.__doc__ or '').split())}\n"
        yield from fields_table(model)
        yield ""


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands,
    "operations.md": operation_pages,
    "errors.md": error_page,
    "metrics.md": metrics_page,
    "plugins.md": plugin_page,
    "settings.md": settings_page,
    "files.md": files_page,
}


def main() -> int:
    stale = []
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        text = HEAD + page()
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if stale:
        print(("stale: " if "--check" in sys.argv else "written: ") + ", ".join(stale))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
