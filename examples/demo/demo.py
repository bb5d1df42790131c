"""The whole story on one machine, offline: from files to a governed release to an incident that guards the next one.

Run by `make demo`. The project and its database stay behind in `demo/`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from acts import Demo
from newcomer import retrain
from stage import Failed, Stage, short

ROOT = Path(__file__).parents[2]


def ending(demo: Demo) -> None:
    """The last screen: what happened, digests, timings, cost, what to try next."""
    stage = demo.stage
    audit = stage.run("audit", "verify", quiet=True, key=demo.keys["reviewer"])
    traces = stage.run("trace", "list", "--source", "live", "--limit", "1000", quiet=True, key=demo.keys["oncall"])[
        "traces"
    ]
    cost = sum(float(trace["cost_usd"]) for trace in traces)
    lines = [
        f"first release   {short(demo.releases['first'])}   {demo.told['evidence']}; router {demo.told['router']}",
        f"fixed release   {short(demo.releases['fixed'])}   after an incident became a scenario",
        f"retrained       {short(demo.releases['retrained'])}   in prod now; {demo.told['retrained']}",
        *(f"stopped         {name}: {demo.told[name]}" for name in ("bad prompt", "weak policy", "weak gate")),
        f"served          {demo.told['traffic']}; {len(traces)} traces, ${cost:.4f} in all",
        f"audit           {audit['entries']} entries, chain intact",
        f"took            {stage.elapsed():.0f} s, {stage.commands} commands",
    ]
    stage.console.print("\n[bold green]What happened[/]")
    for line in lines:
        stage.console.print(f"  {line}")
    stage.console.print(
        "\n[bold]Try next[/]\n"
        "  cd demo && source ../.venv/bin/activate\n"
        "  headgate release list                   headgate release diff "
        f"{short(demo.releases['first'])} {short(demo.releases['fixed'])}\n"
        "  headgate trace list --where route=high_risk      headgate audit list\n"
        "  headgate serve --open                   the pages (sign in with a key below); any OpenAI client, model "
        "[bold]support[/]\n"
        f"Keys of this demo: engineer {demo.keys['engineer']}, reviewer {demo.keys['reviewer']}"
    )


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
            retrain(demo)
        except Failed as problem:
            stage.console.print(f"\n[bold red]The demo stopped.[/] {problem}", markup=True)
            return 1
        ending(demo)
    return 0


if __name__ == "__main__":
    sys.exit(main())
