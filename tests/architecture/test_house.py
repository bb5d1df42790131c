"""The rules of the house that a machine can check: sizes, names, docstrings, public surface."""

from __future__ import annotations

import ast
import statistics
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "headgate"
FILES = sorted(file for file in SOURCE.rglob("*.py") if "templates" not in file.parts)
PACKAGES = sorted(folder for folder in SOURCE.iterdir() if (folder / "__init__.py").exists())
PLUGIN_FOLDERS = {
    "providers", "runtimes", "embedders", "wires", "edges", "scorers", "guards", "chunkers", "stores", "monitors",
    "channels", "readers", "kinds", "versions", "renderers",
}  # fmt: skip
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "base", "manager", "handler", "handlers", "misc"}


@cache
def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_file_stays_within_its_size(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


def test_the_median_file_is_small() -> None:
    sizes = [len(file.read_text(encoding="utf-8").splitlines()) for file in FILES if file.name != "__init__.py"]
    assert statistics.median(sizes) <= 150


@pytest.mark.parametrize("file", FILES, ids=name)
def test_functions_stay_within_their_size(file: Path) -> None:
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in functions(parse(file))
        if node.end_lineno and node.end_lineno - node.lineno + 1 > 50
    ]
    assert not long


@pytest.mark.parametrize("file", FILES, ids=name)
def test_names_say_what_is_inside(file: Path) -> None:
    assert not FORBIDDEN & set(file.relative_to(SOURCE).with_suffix("").parts)


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_module_says_what_lives_there(file: Path) -> None:
    docstring = ast.get_docstring(parse(file))
    assert docstring, "open with a docstring: what lives here, who calls it, what it must not do"


def test_folders_hold_few_modules_and_are_shallow() -> None:
    for folder in {file.parent for file in FILES}:
        if folder.name not in PLUGIN_FOLDERS:
            assert len(list(folder.glob("*.py"))) - 1 <= 15, folder
        assert len(folder.relative_to(SOURCE).parts) <= 3, folder


@pytest.mark.parametrize("package", PACKAGES, ids=lambda folder: folder.name)
def test_a_package_root_only_re_exports(package: Path) -> None:
    for node in parse(package / "__init__.py").body:
        allowed = isinstance(node, ast.Import | ast.ImportFrom) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        )
        exported = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        assert allowed or exported, f"{package.name}/__init__.py:{node.lineno}"


def test_other_packages_import_from_a_packages_root() -> None:
    wrong = []
    for file in FILES:
        package = file.relative_to(SOURCE).parts[0]
        for node in ast.walk(parse(file)):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("headgate."):
                parts = (node.module or "").split(".")
                if len(parts) > 2 and parts[1] != package:
                    wrong.append(f"{name(file)}:{node.lineno} imports {node.module}")
    assert not wrong


def test_only_settings_reads_the_environment() -> None:
    readers = [
        name(file)
        for file in FILES
        if "os.environ" in (text := file.read_text(encoding="utf-8")) or "os.getenv" in text
    ]
    assert readers == ["src/headgate/platform/settings.py"]


def test_nothing_of_ours_unpickles() -> None:
    banned = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
    for file in FILES:
        for node in ast.walk(parse(file)):
            names = {alias.name.split(".")[0] for alias in node.names} if isinstance(node, ast.Import) else set()
            if isinstance(node, ast.ImportFrom):
                names = {(node.module or "").split(".")[0]}
            assert not banned & names, f"{name(file)} imports {banned & names}"


def test_no_two_modules_import_each_other() -> None:
    import grimp

    graph = grimp.build_graph("headgate", exclude_type_checking_imports=True)
    left = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    while free := {module for module, needs in left.items() if not needs & left.keys()}:
        left = {module: needs for module, needs in left.items() if module not in free}
    assert not left, f"these modules lie on a circle of imports, or above one: {sorted(left)}"
