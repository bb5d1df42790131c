"""Which code trains a model: its file and the project's files that it imports, found without running any of it.

Called by `train.run` and, through the kind `model`, by `release create`. Files that code opens while it runs are not
seen: what a model depends on belongs into its dataset or its code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from headgate.kernel import InvalidInput, Where, blob_digest, canonical, digest, read_text


def code_digest(root: Path, path: str) -> str:
    """Return the digest of `<path>.py` and its project-local imports. Line ends do not matter, comments do."""
    return digest_of(sources_of(root, path))


def digest_of(files: Mapping[str, str]) -> str:
    return digest("code", 1, canonical(dict(files)))


def sources_of(root: Path, path: str) -> dict[str, str]:
    """Return the files that training runs, from the project's root, each with the digest of its text.

    Raises NotFound when `<path>.py` is not there, InvalidInput with file and line for a syntax error.
    """
    found: dict[str, str] = {}
    queue = [f"{path}.py"]
    while queue:
        file = queue.pop()
        if file in found:
            continue
        text = read_text(root, file)
        found[file] = blob_digest(text.encode("utf-8"))
        queue += [other for other in _imports(root, file, text) if other not in found]
    return dict(sorted(found.items()))


def _imports(root: Path, file: str, text: str) -> Iterator[str]:
    try:
        tree = ast.parse(text, file)
    except SyntaxError as problem:
        raise InvalidInput(f"is not valid Python: {problem.msg}", where=Where(file, problem.lineno)) from None
    except ValueError as problem:
        raise InvalidInput(f"is not valid Python: {problem}", where=Where(file)) from None
    package = tuple(file.split("/")[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(root, tuple(alias.name.split(".")))
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            yield from _files(root, module)
            for alias in node.names:
                yield from _files(root, (*module, alias.name))


def _files(root: Path, module: tuple[str, ...]) -> Iterator[str]:
    """Yield the project's files that importing a module runs: itself, and the `__init__.py` of every package above."""
    for length in range(1, len(module) + 1):
        place = "/".join(module[:length])
        for file in (f"{place}/__init__.py", f"{place}.py"):
            if (root / file).is_file():
                yield file
