"""Where the computing time of one request with everything on goes: µs per request by part, function and thread.

python benchmarks/profile_gateway.py [--connections 32] [--seconds 15] [--stream] [--routed] [--top 30] [--json]

The server runs as people start it, on core 0. Each time the main thread has computed for another while (the kernel's
tick, 1 to 4 ms) its stack is noted, weighed by what it computed. A note counts for the innermost frame that is ours or
a library's, so the interpreter's library counts for whoever called it. What a thread used in all is exact, from its
clock. Other threads are seen only when they give up the interpreter, so how they spent their time is rough. On a busy
machine all figures are higher than on a quiet one; compare shares.
"""

from __future__ import annotations

import argparse
import ctypes
import dis
import gc
import json
import os
import runpy
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

HERE = Path(__file__).resolve().parent
INTERVAL_NS = 1_000_000
GARBAGE = "garbage collector"
LOOP = "event loop and sockets"
APART = ("models/transport", "store/spans")
LIBRARIES = ("aiohttp", "uvicorn", "sqlalchemy", "prometheus_client", "onnxruntime", "numpy", "asyncio")
_RESUME = dis.opmap.get("RESUME", -1)


class Sampler:
    """Notes where threads are; lives in the server, driven by signals: SIGUSR1 begins, SIGUSR2 ends and writes."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.parts: dict[str, Counter[str]] = {}
        self.selves: Counter[str] = Counter()
        self.inside: Counter[str] = Counter()
        self.samples, self.noting = 0, False
        self.known: dict[CodeType, tuple[str, str]] = {}
        self.clocks: dict[int, tuple[str, int]] = {}
        self.used: dict[int, int] = {}
        self.collecting = 0.0
        self.collected: list[list[float]] = [[0, 0.0] for _ in range(3)]
        self.times = os.times()
        self.timer = ctypes.c_void_p()
        signal.signal(signal.SIGPROF, self.sample)
        signal.signal(signal.SIGUSR1, self.begin)
        signal.signal(signal.SIGUSR2, self.end)

    def begin(self, *_: Any) -> None:
        for thread in threading.enumerate():
            if thread.ident is not None:
                self.clocks[thread.ident] = (thread.name, time.pthread_getcpuclockid(thread.ident))
        self.used = {ident: time.clock_gettime_ns(clock) for ident, (_, clock) in self.clocks.items()}
        self.times = os.times()
        gc.callbacks.append(self.garbage)
        self.timer = start_timer(self.clocks[threading.get_ident()][1], signal.SIGPROF)

    def end(self, *_: Any) -> None:
        _LIBC.timer_delete(self.timer)
        now = os.times()
        swap = self.target.with_suffix(".new")
        found = {
            "user_s": now.user - self.times.user,
            "system_s": now.system - self.times.system,
            "samples": self.samples,
            "parts": self.parts,
            "selves": self.selves,
            "inside": self.inside,
            "garbage": self.collected,
        }
        swap.write_text(json.dumps(found))
        swap.replace(self.target)

    def sample(self, _: int, frame: FrameType | None) -> None:
        if self.noting:  # another tick, of the note before
            return
        self.noting = True
        self.samples += 1
        own, frames = threading.get_ident(), sys._current_frames()
        for ident, (name, clock) in self.clocks.items():
            if ident not in frames:
                continue
            spent = time.clock_gettime_ns(clock) - self.used[ident]
            if ident == own:
                self.note(name, frame, spent)
            elif spent > 0:
                self.note(name, frames[ident], spent)
            self.used[ident] = time.clock_gettime_ns(clock)  # what noting costs counts for nobody
        self.noting = False

    def note(self, thread: str, frame: FrameType | None, spent: int) -> None:
        part, first, seen = "", "", set()
        if frame is not None and frame.f_code is _COLLECTS and frame.f_locals.get("phase") == "stop":
            part = first = GARBAGE
        frame = called(frame) if thread == "MainThread" else frame
        while frame is not None:  # up to the loop: what is above it started the server
            found, shown = self.known.get(frame.f_code) or self.know(frame.f_code)
            part, first = part or found, first or shown
            if found == LOOP:
                break
            if thread == "MainThread" and shown not in seen:
                seen.add(shown)
                self.inside[shown] += spent
            frame = frame.f_back
        self.parts.setdefault(thread, Counter())[part or "threading"] += spent
        self.selves[first if thread == "MainThread" else f"[{thread}] {first}"] += spent

    def know(self, code: CodeType) -> tuple[str, str]:
        name = Path(code.co_filename)
        short = "/".join(name.parts[-3:]).removeprefix("headgate/")
        self.known[code] = found = (part_of(name), f"{short}:{code.co_firstlineno} {code.co_qualname}")
        return found

    def garbage(self, phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            self.collecting = time.thread_time()
        else:
            generation = self.collected[about["generation"]]
            generation[0] += 1
            generation[1] += time.thread_time() - self.collecting


def part_of(file: Path) -> str:
    """Return what a file belongs to: the package and module of ours, a library, or nothing of its own."""
    if file.parts[-2:] == ("asyncio", "runners.py"):
        return LOOP
    if "headgate" in file.parts:
        inside = file.parts[len(file.parts) - file.parts[::-1].index("headgate") :]
        return "/".join(inside[:2]).removesuffix(".py")
    return next((name for name in LIBRARIES if name in file.parts), "")


_COLLECTS = Sampler.garbage.__code__


def called(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame that has begun: whoever called one that has not was running until now."""
    while frame is not None and frame.f_code.co_code[max(frame.f_lasti, 0)] == _RESUME:
        frame = frame.f_back
    return frame


class _Event(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("room", ctypes.c_char * 48),
    )


_LIBC = ctypes.CDLL(None, use_errno=True)


def start_timer(clock: int, number: int) -> ctypes.c_void_p:
    """Have a signal sent each time that a clock went on by the interval. Raises OSError."""
    timer, event = ctypes.c_void_p(), _Event(None, number, 0)
    if _LIBC.timer_create(ctypes.c_int(clock), ctypes.byref(event), ctypes.byref(timer)):
        raise OSError(ctypes.get_errno(), "timer_create")
    when = (ctypes.c_long * 4)(0, INTERVAL_NS, 0, INTERVAL_NS)
    if _LIBC.timer_settime(timer, 0, ctypes.byref(when), None):
        raise OSError(ctypes.get_errno(), "timer_settime")
    return timer


def served(target: str, arguments: list[str]) -> None:
    """Be the server, with a sampler in it."""
    Sampler(Path(target))
    sys.argv = ["headgate", *arguments]
    runpy.run_module("headgate", run_name="__main__")


def profile(chosen: argparse.Namespace) -> tuple[dict[str, Any], dict[str, float]]:
    """Serve, load and return the samples and what the load measured."""
    import bench_gateway as bench
    import gateway_systems as systems

    systems.pin(systems.LOAD_CORE)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, model = stack.enter_context(systems.upstream(folder))
        rig = bench.Rig(systems.build("load", folder), folder, chosen.seconds, model)
        command = [sys.executable, str(HERE / "profile_gateway.py"), "--served", str(folder / "samples")]
        running = stack.enter_context(systems.headgate(folder, port, chosen.routed, command))
        found = bench.Found(running)
        rig.load(found, chosen.connections, 2, chosen.stream)
        bench.drain(found)
        running.process.send_signal(signal.SIGUSR1)
        time.sleep(0.1)
        figures = rig.load(found, chosen.connections, chosen.seconds, chosen.stream)
        bench.drain(found)
        running.process.send_signal(signal.SIGUSR2)
        deadline = time.monotonic() + 20
        while not (folder / "samples").exists():
            if time.monotonic() > deadline or running.process.poll() is not None:
                raise SystemExit(f"no samples: {(folder / 'said.log').read_text()[-2000:]}")
            time.sleep(0.05)
        return json.loads((folder / "samples").read_text()), figures


def show(samples: dict[str, Any], figures: dict[str, float], top: int) -> None:
    answered = figures["answered"]
    whole = (samples["user_s"] + samples["system_s"]) / answered * 1e6
    print(
        f"{answered:.0f} requests, {answered / figures['seconds']:.0f}/s, p50 {figures['p50_us']:.0f} µs while sampled"
    )
    print(
        f"computing: {whole:.0f} µs a request; {samples['user_s'] / answered * 1e6:.0f} µs in programs, "
        f"{samples['system_s'] / answered * 1e6:.0f} µs in the kernel"
    )
    collected = (
        f"generation {number}: {took / answered * 1e6:.1f} µs ({count} times)"
        for number, (count, took) in enumerate(samples["garbage"])
    )
    print("garbage collection, within the functions that met it: " + ", ".join(collected))
    print(f"{samples['samples']} samples")
    for thread, modules in sorted(samples["parts"].items(), key=lambda each: -sum(each[1].values())):
        parts: Counter[str] = Counter()
        for name, spent in modules.items():
            parts[name if name in APART else name.split("/")[0]] += spent
        table(f"{thread}: {sum(parts.values()) / answered / 1e3:.1f} µs", parts, answered, whole)
    table("main thread, our modules", {
        name: spent for name, spent in samples["parts"]["MainThread"].items() if "/" in name
    }, answered, whole)  # fmt: skip
    for title, counts in (("functions, themselves", samples["selves"]), ("functions, all inside", samples["inside"])):
        print(f"\n{title} (main thread unless said)")
        for name, spent in sorted(counts.items(), key=lambda each: -each[1])[:top]:
            print(f"  {spent / answered / 1e3:>8.1f} µs  {name}")


def table(title: str, spent: Mapping[str, int], answered: float, whole: float) -> None:
    print(f"\n{title}")
    for name, each in sorted(spent.items(), key=lambda row: -row[1]):
        took = each / answered / 1e3
        if took >= whole / 1000:
            print(f"  {name:<44}{took:>8.1f} µs  {took / whole:>6.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--routed", action="store_true", help="with a model that chooses the route")
    parser.add_argument("--top", type=int, default=30, help="how many functions are shown")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    samples, figures = profile(chosen)
    if chosen.json:
        print(json.dumps({"samples": samples, "load": figures}, indent=2))
    else:
        show(samples, figures, chosen.top)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--served"]:
        served(sys.argv[2], sys.argv[3:])
    else:
        main()
