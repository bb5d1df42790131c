"""One command for one row of the table: options from its request model, the operation run, its result rendered.

Called by `main`. No operation is known here by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from headgate.kernel import HeadgateError, InvalidInput
from headgate.platform import Operation, Settings, read_settings, resolve, run_operation

from .options import Field, fields_of, parameters, request_of
from .output import Progress, Reporter, exit_code_of, failed, render

_CONTEXT = {"help_option_names": ["--help", "-h"], "max_content_width": 110}


def run_command(operation: Operation, words: Sequence[str]) -> int:
    """Run one operation from its command line and return the exit code."""
    settings = read_settings()
    reporter = Reporter("--json" in words, bool(settings.client.debug))
    fields: list[Field] = []
    try:
        fields = fields_of(resolve(operation).request)
        return (
            _command(operation, fields, settings, reporter).main(
                list(words), prog_name=f"headgate {' '.join(operation.words)}", standalone_mode=False
            )
            or 0
        )
    except (HeadgateError, click.ClickException, click.Abort, KeyboardInterrupt) as problem:
        return failed(problem, reporter, {field.name: field.shown for field in fields})
    except BrokenPipeError:
        return 0
    except Exception as problem:  # noqa: BLE001  the boundary of a request: never a traceback unless asked for
        return failed(problem, reporter, {})


def _command(operation: Operation, fields: list[Field], settings: Settings, reporter: Reporter) -> click.Command:
    def run(values: tuple[str, ...], project: str, json: bool, **options: Any) -> int:
        request = request_of(fields, values, options)
        start = Path(project).resolve()
        if not start.is_dir():
            raise InvalidInput(f"there is no folder {project}", "--project names a folder with headgate.yaml")
        with Progress(reporter.quiet) as progress:
            result = run_operation(operation.name, request, start, settings, progress)
        render(operation.name, result, reporter)
        return exit_code_of(result)

    return click.Command(
        name=operation.words[-1],
        callback=run,
        params=parameters(fields),
        help=f"{operation.summary[0].upper()}{operation.summary[1:]}.",
        context_settings=_CONTEXT,
    )
