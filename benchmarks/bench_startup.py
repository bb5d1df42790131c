"""How long things take to start: a bare interpreter, help, commands in process and through a server, the server.

python benchmarks/bench_startup.py [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PYTHON = sys.executable
HEADGATE = str(Path(sys.executable).with_name("headgate"))
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}


def seconds(*command: str, cwd: Path) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, check=True, env=CLEAN)
    return time.perf_counter() - began


def median(*command: str, cwd: Path, times: int = 7) -> float:
    seconds(*command, cwd=cwd)
    return statistics.median(seconds(*command, cwd=cwd) for _ in range(times))


def start_server(project: Path) -> tuple[subprocess.Popen[bytes], float]:
    """Start a server and return it with the seconds until it answered."""
    began = time.perf_counter()
    command = [HEADGATE, "serve", "--port", "0"]
    found = subprocess.Popen(command, cwd=project, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert found.stdout is not None
    if b"http://" not in found.stdout.readline():
        raise SystemExit("the server did not start")
    return found, time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "headgate.yaml").write_text("headgate: 1\nproject: bench\n")
        found = {
            "python -c pass": median(PYTHON, "-c", "pass", cwd=project),
            "import headgate": median(PYTHON, "-c", "import headgate", cwd=project),
            "headgate --help": median(HEADGATE, "--help", cwd=project),
            "headgate key list (in process)": median(HEADGATE, "key", "list", cwd=project, times=3),
        }
        server, found["headgate serve, until it answers"] = start_server(project)
        found["headgate key list (through it)"] = median(HEADGATE, "key", "list", cwd=project, times=3)
        server.send_signal(signal.SIGTERM)
        server.wait(40)
    if chosen.json:
        print(json.dumps(found, indent=2))
        return 0
    bare = found["python -c pass"]
    for name, value in found.items():
        print(f"{name:<36}{value * 1000:>9.0f} ms{value / bare:>8.1f} ×")
    return 0


if __name__ == "__main__":
    sys.exit(main())
