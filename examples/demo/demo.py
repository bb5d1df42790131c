"""The whole story on one machine, offline: from files to a governed release to an incident that guards the next one.

Run by `make demo`. The project and its database stay behind in `demo/`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from acts import Demo, ending
from stage import Failed, Stage

ROOT = Path(__file__).parents[2]


def main() -> int:
    project = ROOT / "demo"
    if project.exists():
        if not (project / "headgate.yaml").exists():
            print(f"{project} exists and is no Headgate project; move it away and try again.")
            return 2
        shutil.rmtree(project)
    stage = Stage(project)
    stage.console.print("[bold]Headgate[/] · a telecom's support assistant, from files to prod and back, offline")
    with Demo(stage) as demo:
        try:
            demo.ship()
            demo.serve()
            demo.stop_bad_changes()
            demo.learn()
        except Failed as problem:
            stage.console.print(f"\n[bold red]The demo stopped.[/] {problem}", markup=True)
            return 1
        ending(demo)
    return 0


if __name__ == "__main__":
    sys.exit(main())
