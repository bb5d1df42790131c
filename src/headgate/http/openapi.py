"""The OpenAPI 3.1 document of `/api`, made from the table of operations and their models. Called by the API route."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from headgate.kernel import HeadgateError
from headgate.platform import OPERATIONS, Operation, Target, resolve

_REFERENCE = "#/components/schemas/{model}"
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "the class of the error"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong, in one sentence"},
        "code": {"type": "string"},
        "hint": {"type": "string", "description": "what to do"},
        "where": {"type": "object", "description": "file, line and key, when a file or a request is at fault"},
        "retry_after": {"type": "integer", "description": "seconds"},
    },
}


def document(version: str) -> dict[str, Any]:
    """Return the document. An operation whose library is not installed is left out; calling it says which extra."""
    targets: dict[Operation, Target] = {}
    for operation in OPERATIONS:
        if operation.sort != "local":
            try:
                targets[operation] = resolve(operation)
            except HeadgateError:
                continue
    references, definitions = _schemas(targets)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headgate", "version": version, "description": "Every operation, as the CLI runs them."},
        "paths": {_path(operation): _item(operation, target, references) for operation, target in targets.items()},
        "components": {
            "schemas": {**definitions, "Problem": _PROBLEM, "Job": _job()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "a key, `hg_…`"}},
        },
        "security": [{"key": []}],
    }


def _schemas(targets: dict[Operation, Target]) -> tuple[dict[Any, Any], dict[str, Any]]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    for target in targets.values():
        wanted += [(target.request, "validation"), (target.result, "serialization")]
    references, schema = models_json_schema(list(dict.fromkeys(wanted)), ref_template=_REFERENCE)
    return references, schema.get("$defs", {})


def _path(operation: Operation) -> str:
    return "/api/" + operation.name.replace(".", "/")


def _item(operation: Operation, target: Target, references: dict[Any, Any]) -> dict[str, Any]:
    request, result = references[target.request, "validation"], references[target.result, "serialization"]
    if operation.sort == "job":
        result = {"$ref": _REFERENCE.format(model="Job")}
    status = "202" if operation.sort == "job" else "200"
    answers = {
        status: {"description": "done" if status == "200" else "enqueued", "content": _json(result)},
        "default": {
            "description": "an error",
            "content": {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
        },
    }
    about = {"summary": operation.summary, "tags": [operation.name.partition(".")[0]], "responses": answers}
    post: dict[str, Any] = {
        "operationId": operation.name,
        **about,
        "requestBody": {"required": bool(_required(target)), "content": _json(request)},
    }
    if operation.sort != "read":
        post["parameters"] = [
            {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200}}
        ]
        return {"post": post}
    get = {"operationId": f"{operation.name}.get", **about, "parameters": _parameters(target)}
    return {"post": post, "get": get}


def _parameters(target: Target) -> list[dict[str, Any]]:
    schema = target.request.model_json_schema(ref_template=_REFERENCE)
    required = _required(target)
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema.get("properties", {}).items()
    ]


def _required(target: Target) -> set[str]:
    return {info.alias or name for name, info in target.request.model_fields.items() if info.is_required()}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _job() -> dict[str, Any]:
    about = "its id; ask `job.show` how far it is"
    return {"type": "object", "required": ["job"], "properties": {"job": {"type": "string", "description": about}}}
