"""From a request model to a command's arguments and options, and from what was typed to a request.

Required texts may be given by position, in the order of the model, or by name. Everything stays text until the request
model reads it, so that a command and an HTTP call complain in the same words.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from headgate.kernel import InvalidInput
from headgate.platform import is_list


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request as the command line sees it. `place`: whether it may be given by position."""

    name: str
    sort: Literal["text", "list", "flag", "json"]
    place: bool
    required: bool
    default: Any
    help: str
    choices: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        return "--" + self.name.rstrip("_").replace("_", "-")

    @property
    def shown(self) -> str:
        """How messages name it."""
        return self.name.upper() if self.place and self.required else self.option


def fields_of(model: type[BaseModel]) -> list[Field]:
    """Return the fields of a request model in their order."""
    fields = [_field(info.alias or name, info) for name, info in model.model_fields.items()]
    if not any(field.place for field in fields):
        first = next((index for index, field in enumerate(fields) if _may_stand_first(field, model)), None)
        if first is not None:
            old = fields[first]
            fields[first] = Field(old.name, old.sort, True, False, old.default, old.help, old.choices)
    return fields


def _may_stand_first(field: Field, model: type[BaseModel]) -> bool:
    info = next(info for name, info in model.model_fields.items() if (info.alias or name) == field.name)
    return field.sort == "text" and not field.choices and str in _parts(info.annotation)


def _field(name: str, info: FieldInfo) -> Field:
    annotation = info.annotation
    parts = _parts(annotation)
    choices = tuple(str(choice) for part in parts if get_origin(part) is Literal for choice in get_args(part))
    sort: Literal["text", "list", "flag", "json"] = "text"
    if is_list(annotation):
        sort = "list" if not any(_is_model(part) for part in parts) else "json"
    elif bool in parts:
        sort = "flag"
    elif any(_is_model(part) or get_origin(part) is dict for part in parts):
        sort = "json"
    place = info.is_required() and sort == "text" and str in parts and not choices
    default = None if info.is_required() else info.get_default(call_default_factory=True, validated_data={})
    return Field(name, sort, place, info.is_required(), default, info.description or "", choices)


def _parts(annotation: Any) -> list[Any]:
    """Return what an annotation is made of, unions and lists taken apart."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType, Annotated, list, tuple):
        inner = get_args(annotation)[:1] if origin is Annotated else get_args(annotation)
        return [part for argument in inner if argument is not Ellipsis for part in _parts(argument)]
    return [annotation]


def _is_model(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def parameters(fields: Sequence[Field]) -> list[click.Parameter]:
    """Return click's parameters: the places, one option for each field, and those that every command takes."""
    places = [field for field in fields if field.place]
    metavar = " ".join(field.name.upper() if field.required else f"[{field.name.upper()}]" for field in places)
    found: list[click.Parameter] = [_Values(metavar)]
    found += [_option(field) for field in fields]
    return [
        *found,
        click.Option(["--project"], default=".", metavar="DIR", help="the project's folder, or one inside it"),
        click.Option(["--json"], is_flag=True, help="print the result as JSON"),
    ]


class _Values(click.Argument):
    """All words that are not options; shown as the names of what they stand for."""

    def __init__(self, shown: str) -> None:
        super().__init__(["values"], nargs=-1)
        self._shown = shown

    def make_metavar(self, ctx: click.Context) -> str:
        return self._shown


def _option(field: Field) -> click.Option:
    text = field.help + (f" (default: {field.default})" if field.default not in (None, "", (), [], {}, False) else "")
    if field.sort == "flag":
        names = f"{field.option}/--no-{field.option[2:]}" if field.default else field.option
        return click.Option([names, field.name], is_flag=True, default=None, help=text)
    metavar = "|".join(field.choices) if field.choices else "JSON" if field.sort == "json" else "TEXT"
    return click.Option([field.option, field.name], multiple=field.sort == "list", metavar=metavar, help=text)


def request_of(fields: Sequence[Field], values: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's data from what was typed. Raises InvalidInput for a word too many or missing."""
    given = {field.name: _read(field, options.get(field.name)) for field in fields}
    data = {name: value for name, value in given.items() if value is not None}
    free = [field for field in fields if field.place and field.name not in data]
    if len(values) > len(free):
        raise InvalidInput(f"{values[len(free)]!r} is one word too many", "see --help; quote texts with spaces")
    data |= {field.name: value for field, value in zip(free, values, strict=False)}
    missing = [field for field in fields if field.required and field.name not in data]
    if missing:
        field = missing[0]
        hint = f"{field.help}; give it as {field.option}" + (" or by position" if field.place else "")
        raise InvalidInput(f"{field.shown} is missing", hint.lstrip("; "))
    return data


def _read(field: Field, value: Any) -> Any:
    if value is None or value == ():
        return None
    if field.sort == "list":
        return list(value)
    if field.sort == "json":
        try:
            return json.loads(value)
        except ValueError:
            raise InvalidInput(f"{field.option} is not JSON", "quote it for your shell: '{…}'") from None
    return value
