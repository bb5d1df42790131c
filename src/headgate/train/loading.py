"""Running people's training code: loaded from the project's file, and its errors told by file and line.

Only `train` and what it calls run project code, on the person's own machine; no server does (P17, decision 22).
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from headgate.kernel import HeadgateError, InvalidInput, NotFound, Unavailable, Where, plugins

from .pipeline import Pipeline

Result = TypeVar("Result")


@contextmanager
def project_code(root: Path) -> Iterator[None]:
    """Let the project's modules be imported inside the block, and forget them after; nothing is written beside them."""
    place, before, writes = str(root.resolve()), set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, place)
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        if place in sys.path:
            sys.path.remove(place)
        for name in set(sys.modules) - before:
            if _inside(sys.modules[name], root):
                del sys.modules[name]


def load_pipeline(root: Path, path: str) -> Pipeline:
    """Run `<path>.py` and return its one Pipeline; inside `project_code`.

    Raises NotFound without the file, InvalidInput with file and line when it fails or declares none, or several.
    """
    file = f"{path}.py"
    name = path.replace("/", ".")
    spec = importlib.util.spec_from_file_location(name, root.resolve() / file)
    if spec is None or spec.loader is None or not (root / file).is_file():
        raise NotFound(f"there is no file {file}", "a training pipeline is a Python file", where=Where(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader = spec.loader
    calling(root, file, lambda: loader.exec_module(module))
    return _only_pipeline(vars(module), file)


def calling(root: Path, file: str, call: Callable[[], Result]) -> Result:
    """Run a piece of people's code. Raises InvalidInput with the last line of theirs that ran, never a traceback."""
    try:
        return call()
    except HeadgateError as problem:
        if problem.where is not None or isinstance(problem, Unavailable):
            raise
        raise InvalidInput(problem.message, problem.hint, where=_place(problem, root, file)) from None
    except ModuleNotFoundError as problem:
        raise _not_found(problem, root, file) from None
    except (Exception, SystemExit) as problem:  # noqa: BLE001  a plugin call: people's code may raise anything
        told = str(problem).strip().splitlines()
        if isinstance(problem, SyntaxError):
            told = [problem.msg]
        text = f"{type(problem).__name__}: {told[0]}" if told else type(problem).__name__
        raise InvalidInput(text[:500], "this comes from the training code", where=_place(problem, root, file)) from None


def _not_found(problem: ModuleNotFoundError, root: Path, file: str) -> HeadgateError:
    library = (problem.name or "").partition(".")[0]
    if library in plugins.EXTRAS:
        return plugins.missing(library, file)
    hint = f"install {library}, or import project files from the project's root, as in `from models import {library}`"
    return InvalidInput(f"there is no module {problem.name!r}", hint, where=_place(problem, root, file))


def _only_pipeline(names: dict[str, Any], file: str) -> Pipeline:
    found = {id(value): (name, value) for name, value in names.items() if isinstance(value, Pipeline)}
    if not found:
        hint = 'write router = Pipeline(dataset="data/utterances", target="intent")'
        raise InvalidInput("declares no Pipeline", hint, where=Where(file, 1))
    if len(found) > 1:
        declared = ", ".join(sorted(name for name, _ in found.values()))
        raise InvalidInput(f"declares several pipelines: {declared}", "one file trains one model", where=Where(file, 1))
    name, pipeline = next(iter(found.values()))
    if pipeline.trains is None:
        hint = f"write @{name}.fit above `def fit(train, params):`"
        raise InvalidInput(f"the pipeline {name} has no fit function", hint, where=Where(file, 1))
    return pipeline


def _place(problem: BaseException, root: Path, file: str) -> Where:
    """Return the innermost line of the project's code that the error went through."""
    if isinstance(problem, SyntaxError) and problem.filename and _within(problem.filename, root):
        return Where(_named(problem.filename, root), problem.lineno)
    for frame, line in reversed(list(traceback.walk_tb(problem.__traceback__))):
        if _within(frame.f_code.co_filename, root):
            return Where(_named(frame.f_code.co_filename, root), line)
    return Where(file)


def _inside(module: Any, root: Path) -> bool:
    file = getattr(module, "__file__", None)
    places = [file] if file else list(getattr(module, "__path__", ()))
    return any(_within(str(place), root) for place in places)


def _within(file: str, root: Path) -> bool:
    if not Path(file).is_relative_to(root.resolve()):
        return False
    parts = Path(file).relative_to(root.resolve()).parts
    return not any(part == "site-packages" or part.startswith(".") for part in parts)


def _named(file: str, root: Path) -> str:
    return Path(file).relative_to(root.resolve()).as_posix()
