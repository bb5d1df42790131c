"""The commands that start before there is a project or a server: init, serve, doctor. Called by `main`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headgate.kernel import Conflict, HeadgateError, InvalidInput, nearest
from headgate.platform import Settings, examine, read_settings

from .output import Reporter, failed, print_json

if TYPE_CHECKING:
    from .main import Serve

TEMPLATES = Path(__file__).parent.parent / "templates"
_CONTEXT = {"help_option_names": ["--help", "-h"], "max_content_width": 110}
_NEXT = (
    ("headgate check", "is everything written correctly?"),
    ("headgate data add data/utterances", "check and lock the dataset"),
    ("headgate train models/router", "train and lock the router"),
    ("headgate release create", "pin one version of everything"),
    ("headgate eval", "run the suites: this is the evidence"),
    ("headgate environment apply", "make the rules of headgate.yaml binding"),
    ("headgate serve", "serve it"),
)


def run_local(name: str, words: Sequence[str], serve: Serve) -> int:
    """Run init, serve or doctor and return its exit code."""
    settings = read_settings()
    reporter = Reporter("--json" in words, bool(settings.client.debug))
    commands: dict[str, Callable[[], click.Command]] = {
        "init": _init,
        "doctor": lambda: _doctor(settings),
        "serve": lambda: _serve(settings, serve),
    }
    try:
        found = commands[name]().main(list(words), prog_name=f"headgate {name}", standalone_mode=False)
        return found if isinstance(found, int) else 0
    except KeyboardInterrupt:
        return 0 if name == "serve" else 1
    except (HeadgateError, click.ClickException, click.Abort) as problem:
        return failed(problem, reporter, {})
    except Exception as problem:  # noqa: BLE001  the boundary of a request: never a traceback unless asked for
        return failed(problem, reporter, {})


def _json() -> click.Option:
    return click.Option(["--json", "as_json"], is_flag=True, help="print the result as JSON")


def _init() -> click.Command:
    def run(folder: str, template: str, force: bool, as_json: bool) -> int:
        target = Path(folder)
        files = write_template(target, template, force)
        if as_json:
            print_json({"folder": str(target), "template": template, "files": files})
            return 0
        sys.stdout.write(f"Wrote {len(files)} files of the template {template!r} to {target}. Next:\n\n  cd {target}\n")
        width = max(len(command) for command, _ in _NEXT)
        sys.stdout.writelines(f"  {command:<{width}}   # {why}\n" for command, why in _NEXT)
        return 0

    parameters: list[click.Parameter] = [
        click.Argument(["folder"], metavar="DIR"),
        click.Option(["--template"], default="support", metavar="NAME", help="which template (default: support)"),
        click.Option(["--force"], is_flag=True, help="write into a folder that is not empty"),
        _json(),
    ]
    return click.Command("init", callback=run, params=parameters, context_settings=_CONTEXT,
                         help="Write a new project into a folder.")  # fmt: skip


def write_template(target: Path, template: str, force: bool) -> list[str]:
    """Copy a template and return the files written.

    Raises InvalidInput for a template that is none, Conflict for a folder that is not empty.
    """
    known = sorted(folder.name for folder in TEMPLATES.iterdir() if (folder / "headgate.yaml").is_file())
    if template not in known:
        raise InvalidInput(f"there is no template {template!r}", nearest(template, known))
    if target.is_file():
        raise Conflict(f"{target} is a file", "name a folder")
    if target.is_dir() and any(target.iterdir()) and not force:
        raise Conflict(
            f"{target} is not empty", "choose another folder, or --force to overwrite what has the same name"
        )
    source, files = TEMPLATES / template, []
    try:
        for file in sorted(source.rglob("*")):
            if file.is_file() and not {"__pycache__", ".headgate"} & set(file.parts):
                name = file.relative_to(source)
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target / name)
                files.append(name.as_posix())
    except OSError as problem:
        raise InvalidInput(f"{target} cannot be written: {problem.strerror}", "check who may write there") from None
    return files


def _doctor(settings: Settings) -> click.Command:
    def run(project: str, as_json: bool) -> int:
        findings = examine(Path(project).resolve(), settings)
        broken = any(finding.ok is False for finding in findings)
        if as_json:
            print_json({"ok": not broken, "findings": [asdict(finding) for finding in findings]})
        else:
            _print_findings(findings)
        return 1 if broken else 0

    parameters: list[click.Parameter] = [
        click.Option(["--project"], default=".", metavar="DIR", help="the project's folder, or one inside it"),
        _json(),
    ]
    return click.Command("doctor", callback=run, params=parameters, context_settings=_CONTEXT,
                         help="Check this installation and say what to do.")  # fmt: skip


def _print_findings(findings: Sequence[Any]) -> None:
    from rich.text import Text

    from .renderers import console

    screen = console()
    width = max(len(finding.name) for finding in findings)
    marks = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "dim")}
    for finding in findings:
        mark, style = marks[finding.ok]
        screen.print(Text.assemble((f" {mark} ", style), (f"{finding.name:<{width}}  ", "bold"), finding.found))
        if finding.hint and not finding.ok:
            screen.print(Text(f"   {'':<{width}}  → {finding.hint}", style="dim"))


def _serve(settings: Settings, serve: Serve) -> click.Command:
    def run(host: str | None, port: str | None, workers: str | None, project: str, look: bool) -> int:
        given = (("host", host), ("port", port), ("workers", workers))
        chosen = {name: value for name, value in given if value is not None}
        merged = replace(settings, server=replace(settings.server, **chosen))
        serve(Path(project).resolve(), merged, _announce_and_open if look else _announce)
        return 0

    parameters: list[click.Parameter] = [
        click.Option(["--host"], metavar="ADDRESS", help=f"where to listen (default: {settings.server.host})"),
        click.Option(["--port"], metavar="PORT", help=f"0 takes a free one (default: {settings.server.port})"),
        click.Option(
            ["--workers"],
            metavar="N",
            help=f"how many processes serve; several need PostgreSQL (default: {settings.server.workers})",
        ),
        click.Option(["--project"], default=".", metavar="DIR", help="the project's folder, or one inside it"),
        click.Option(["--open", "look"], is_flag=True, help="open the pages in this machine's browser"),
    ]
    return click.Command("serve", callback=run, params=parameters, context_settings=_CONTEXT,
                         help="Serve this project over HTTP until it is stopped.")  # fmt: skip


def _announce(url: str) -> None:
    sys.stdout.write(f"Headgate serves on {url}  (OpenAI clients: base_url {url}/v1; operations: {url}/api)\n")
    sys.stdout.flush()


def _announce_and_open(url: str) -> None:
    """Open the pages once they answer; a browser that takes its time must not hold up the server."""
    import threading
    import webbrowser

    def look() -> None:
        if not webbrowser.open(url):
            sys.stderr.write(f"no browser could be opened here; look at {url}\n")

    _announce(url)
    threading.Thread(target=look, name="browser", daemon=True).start()
