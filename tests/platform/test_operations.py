"""The table: every row points at real code with models that refuse what they do not know."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import BaseModel

from headgate.kernel import NotFound
from headgate.platform import COMMANDS, GROUPS, OPERATIONS, ROLES, Operation, find, resolve

LOCAL = {"local"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda row: row.name)
def test_a_row_points_at_a_documented_function_with_models(operation: Operation) -> None:
    target = resolve(operation)
    assert issubclass(target.request, BaseModel)
    assert issubclass(target.result, BaseModel)
    assert target.request.model_config.get("extra") == "forbid", "a request must refuse unknown keys"
    assert target.request.model_config.get("frozen")
    assert target.function.__doc__


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda row: row.name)
def test_somebody_may_run_every_operation(operation: Operation) -> None:
    granted = frozenset().union(*ROLES.values())
    assert operation.permission in granted | LOCAL
    assert (operation.sort == "local") == (operation.permission == "local")


def test_only_administrators_hold_every_permission_of_the_table() -> None:
    needed = {row.permission for row in OPERATIONS} - LOCAL
    assert [role for role, held in ROLES.items() if needed <= held] == ["admin"]


def test_names_and_commands_are_unique_and_have_a_group() -> None:
    names = [row.name for row in OPERATIONS]
    words = [row.words for row in OPERATIONS if row.words]
    assert len(set(names)) == len(names)
    assert len(set(words)) == len(words)
    assert all(row.words[0] in GROUPS for row in OPERATIONS if len(row.words) == 2)
    assert not set(COMMANDS) & {row.words[0] for row in OPERATIONS if row.words}


def test_an_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(NotFound) as caught:
        find("release.promot")
    assert "release.promote" in caught.value.hint


def test_reading_the_table_imports_nothing_heavy() -> None:
    code = (
        "import sys, headgate.platform;"
        "heavy = {'pydantic', 'sqlalchemy', 'click', 'yaml', 'aiohttp'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
