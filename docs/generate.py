"""Writes the pages of `docs/reference/` from the code itself. `make docs` runs it; a test fails when a page is stale.

python docs/generate.py            write the pages
python docs/generate.py --check    exit 1 when a page on disk differs
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from headgate.kernel import HeadgateError, plugins
from headgate.platform import operations, settings
from headgate.platform.roles import ROLES

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


def target(operation: operations.Operation) -> Callable[..., Any]:
    module, _, name = operation.target.partition(":")
    return typing.cast(Callable[..., Any], getattr(importlib.import_module(module), name))


def request_model(operation: operations.Operation) -> type[BaseModel]:
    function = target(operation)
    name = list(inspect.signature(function).parameters)[1]
    return typing.cast(type[BaseModel], typing.get_type_hints(function)[name])


def type_name(annotation: Any) -> str:
    text = annotation.__name__ if inspect.isclass(annotation) else str(annotation)
    for prefix in ("typing.", "collections.abc.", "headgate."):
        text = text.replace(prefix, "")
    return text.replace("|", "or").replace("NoneType", "None")


def fields_table(model: type[BaseModel]) -> Iterator[str]:
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    for name, info in model.model_fields.items():
        kind = type_name(info.annotation)
        yield f"| `{info.alias or name}` | {kind} | {default_of(info)} | {info.description or ''} |"


def default_of(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    return "" if value in (None, "", [], (), {}) else f"`{value}`"


def commands() -> str:
    lines = ["# Commands\n", "Every command takes `--json`, `--project DIR` and `--help`. Exit codes: 0 done or pass,"]
    lines += ["100 fail, 101 needs review, 2 wrong use, 3 not allowed, 4 not found or conflict, 1 anything else.\n"]
    lines += ["| command | what it does |", "|---|---|"]
    lines += [f"| `headgate {name}` | {summary} |" for name, summary in operations.COMMANDS.items()]
    lines += [f"| `headgate {' '.join(row.words)}` | {row.summary} |" for row in operations.OPERATIONS if row.words]
    for row in operations.OPERATIONS:
        if row.words:
            lines += [f"\n## headgate {' '.join(row.words)}\n", f"{row.summary[0].upper()}{row.summary[1:]}.\n"]
            lines += list(fields_table(request_model(row)))
    return "\n".join(lines) + "\n"


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
    for error in sorted(HeadgateError.__subclasses__(), key=lambda one: (one.status, one.__name__)):
        if error.__module__ == "headgate.kernel.errors":
            meaning = first_line(error) or {"invalid_input": "what was given cannot be accepted"}.get(error.code, "")
            lines.append(f"| {error.__name__} | `{error.code}` | {error.status} | {error.exit_code} | {meaning} |")
    lines += ["\nA blocked answer and a failed gate are not errors: they are answers. On `/v1` errors have OpenAI's"]
    lines += ["envelope, on `/api` they are RFC 9457 problems; both carry the code, and `hint` says what to do."]
    return "\n".join(lines) + "\n"


def plugin_page() -> str:
    lines = ["# Plugins\n", "One file adds one: `headgate/<package>/<group>/<name>.py`, or an entry point in the group"]
    lines += ["`headgate.<group>` of another package.\n"]
    for group, meaning in GROUPS.items():
        lines += [f"## {group}\n", f"{meaning[0].upper()}{meaning[1:]}.\n", "| name | what it is |", "|---|---|"]
        lines += [f"| `{name}` | {module_line(place)} |" for name, place in plugins.names(group).items()]
        lines.append("")
    return "\n".join(lines)


def module_line(place: str) -> str:
    module = importlib.import_module(place.partition(":")[0])
    return " ".join((module.__doc__ or "").strip().split("\n\n")[0].split()).replace("|", "/")


def settings_page() -> str:
    lines = ["# Settings\n", "Where things are and who may reach them; nothing here can change an answer.\n"]
    for section in (settings.ServerSettings, settings.ClientSettings, settings.StorageSettings):
        lines += [f"## {first_line(section)}\n", "| variable | default | meaning |", "|---|---|---|"]
        said = attribute_docs(section)
        for item in dataclasses.fields(section):
            lines.append(f"| `{item.metadata['env']}` | `{item.default}` | {said.get(item.name, '')} |")
        lines.append("")
    return "\n".join(lines)


def attribute_docs(owner: type) -> Mapping[str, str]:
    """Return the string that follows each field of a class in its source."""
    body = ast.parse(inspect.getsource(owner)).body[0]
    assert isinstance(body, ast.ClassDef)
    said = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            said[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return said


def first_line(owner: type) -> str:
    return (owner.__doc__ or "").strip().split("\n")[0] if "__doc__" in vars(owner) else ""


def files_page() -> str:
    lines = [
        "# Keys of stored documents\n",
        "What each kind of artifact holds once its file is parsed; written files are",
    ]
    lines += ["shown in [the template](../../src/headgate/templates/support/). Nested keys are in the JSON Schema that"]
    lines += ["`headgate.kernel.plugins.load('kinds', NAME).model.model_json_schema()` prints.\n"]
    for name in plugins.names("kinds"):
        kind = plugins.load("kinds", name)
        lines += [f"## {name}\n", f"{first_line(kind.model)}\n", *fields_table(kind.model), ""]
    return "\n".join(lines)


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands,
    "operations.md": operation_pages,
    "errors.md": error_page,
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
