"""Where the computing time of one request with everything on goes: µs per request by part, function and thread.

python benchmarks/profile_gateway.py [--connections 32] [--seconds 8] [--stream] [--routed] [--top 30] [--json]

The server runs as people start it, on core 0, with a timer on the computing time of each of its threads; each time
one expires, the stack of its thread is noted. A sample counts for the innermost frame that belongs to a part below, so
the interpreter's library counts for whoever called it. What a thread used in all is exact, from its clock; how the
main thread shares it out is good to a few percent. Other threads are seen only when they give up the interpreter, so
their rows are rough. Sampling itself costs about a percent.
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
from contextlib import ExitStack
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

HERE = Path(__file__).resolve().parent
MAIN_SIGNAL, OTHER_SIGNAL = signal.SIGPROF, signal.SIGVTALRM
TICK_NS = 1_000_000
LOOP = "event loop, sockets, interpreter's own"
PARTS = {
    "asyncio/runners.py": LOOP,
    "headgate/http/": "http: the edge",
    "headgate/platform/": "platform: the gateway, keys",
    "headgate/serve/money/": "serve.money: limits",
    "headgate/serve/calling/": "serve.calling: attempts, deadlines",
    "headgate/serve/": "serve: execute, record",
    "headgate/guard/": "guard",
    "headgate/measure/": "measure: detectors",
    "headgate/models/transport": "models.transport: our client",
    "headgate/models/upstream/": "models.transport: our client",
    "headgate/models/": "models: provider, wires, routing",
    "headgate/store/spans/": "store.spans: traces",
    "headgate/store/": "store: ledger, records",
    "headgate/kernel/": "kernel",
    "headgate/": "other packages of ours",
    "/aiohttp/": "aiohttp",
    "/uvicorn/": "uvicorn",
    "/sqlalchemy/": "sqlalchemy",
    "/prometheus_client/": "prometheus_client",
    "/onnxruntime/": "onnxruntime",
    "/numpy/": "numpy",
    "/asyncio/": "asyncio: tasks, timers",
    "/contextlib.py": "contextlib",
}
_RESUME = dis.opmap.get("RESUME", -1)


class Sampler:
    """Notes where threads are; lives in the server, driven by signals: SIGUSR1 begins, SIGUSR2 ends and writes."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.parts: dict[str, Counter[str]] = {}
        self.selves: Counter[str] = Counter()
        self.inside: Counter[str] = Counter()
        self.known: dict[CodeType, tuple[str, str]] = {}
        self.clocks: dict[int, tuple[str, float]] = {}
        self.timers: list[ctypes.c_void_p] = []
        self.collecting = 0.0
        self.collected: list[list[float]] = [[0, 0.0] for _ in range(3)]
        self.times = os.times()
        for number, called in (
            (MAIN_SIGNAL, self.main), (OTHER_SIGNAL, self.others), (signal.SIGUSR1, self.begin),
            (signal.SIGUSR2, self.end),
        ):  # fmt: skip
            signal.signal(number, called)

    def begin(self, *_: Any) -> None:
        self.times = os.times()
        gc.callbacks.append(self.garbage)
        for thread in threading.enumerate():
            if thread.ident is None:
                continue
            clock = time.pthread_getcpuclockid(thread.ident)
            self.clocks[thread.ident] = (thread.name, time.clock_gettime(clock))
            main = thread is threading.main_thread()
            self.timers.append(start_timer(clock, MAIN_SIGNAL if main else OTHER_SIGNAL))

    def end(self, *_: Any) -> None:
        for timer in self.timers:
            _LIBC.timer_delete(timer)
        now = os.times()
        threads: Counter[str] = Counter()
        for ident, (name, before) in self.clocks.items():
            if any(each.ident == ident for each in threading.enumerate()):
                threads[name] += time.clock_gettime(time.pthread_getcpuclockid(ident)) - before  # type: ignore[assignment]
        swap = self.target.with_suffix(".new")
        swap.write_text(
            json.dumps({
                "user_s": now.user - self.times.user, "system_s": now.system - self.times.system, "threads_s": threads,
                "parts": self.parts, "selves": self.selves, "inside": self.inside,
                "garbage": self.collected,
            })
        )  # fmt: skip
        swap.replace(self.target)

    def main(self, _: int, frame: FrameType | None) -> None:
        # a frame that has not begun was not running when the timer expired: whoever called it was
        while frame is not None and frame.f_code.co_code[max(frame.f_lasti, 0)] == _RESUME:
            frame = frame.f_back
        self.note("MainThread", frame)

    def others(self, _: int, __: FrameType | None) -> None:
        own = threading.get_ident()
        frames = sys._current_frames()
        for ident, (name, _before) in self.clocks.items():
            if ident != own and ident in frames and not waits(frames[ident]):
                self.note(name, frames[ident])

    def note(self, thread: str, frame: FrameType | None) -> None:
        part, first, seen = "", "", set()
        while frame is not None:  # up to the loop: what is above it started the server
            found, shown = self.known.get(frame.f_code) or self.know(frame.f_code)
            part = part or found
            if not first and not shown.startswith("("):
                first = shown
            if found == LOOP:
                break
            if thread == "MainThread" and shown not in seen:
                seen.add(shown)
                self.inside[shown] += 1
            frame = frame.f_back
        self.parts.setdefault(thread, Counter())[part or LOOP] += 1
        self.selves[f"{first}" if thread == "MainThread" else f"[{thread}] {first}"] += 1

    def know(self, code: CodeType) -> tuple[str, str]:
        name = code.co_filename
        part = next((part for piece, part in PARTS.items() if piece in name), "")
        short = "/".join(Path(name).parts[-3:]).removeprefix("headgate/")
        self.known[code] = found = (part, f"{short}:{code.co_firstlineno} {code.co_qualname}")
        return found

    def garbage(self, phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            self.collecting = time.thread_time()
        else:
            generation = self.collected[about["generation"]]
            generation[0] += 1
            generation[1] += time.thread_time() - self.collecting


def waits(frame: FrameType) -> bool:
    return frame.f_code.co_filename.endswith(
        ("threading.py", "queue.py", "selectors.py", "concurrent/futures/thread.py")
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("room", ctypes.c_char * 48),
    )


_LIBC = ctypes.CDLL(None, use_errno=True)


def start_timer(clock: int, number: int) -> ctypes.c_void_p:
    """Have a signal sent each time that a clock went on by a tick. Raises OSError."""
    timer, event = ctypes.c_void_p(), _Event(None, number, 0)
    if _LIBC.timer_create(ctypes.c_int(clock), ctypes.byref(event), ctypes.byref(timer)):
        raise OSError(ctypes.get_errno(), "timer_create")
    when = (ctypes.c_long * 4)(0, TICK_NS, 0, TICK_NS)
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
    per_sample = {}
    for thread, seconds in sorted(samples["threads_s"].items(), key=lambda each: -each[1]):
        used = seconds / answered * 1e6
        if used < whole / 500:
            continue
        counts = samples["parts"].get(thread, {})
        per_sample[thread] = used / max(sum(counts.values()), 1)
        print(f"\n{thread:<58}{used:>8.1f} µs  {used / whole:>5.1%}  ({sum(counts.values())} samples)")
        for part, count in sorted(counts.items(), key=lambda each: -each[1]):
            print(f"  {part:<56}{count * per_sample[thread]:>8.1f} µs  {count * per_sample[thread] / whole:>5.1%}")
    scale = per_sample.get("MainThread", 0.0)
    for title, counts in (("functions, themselves", samples["selves"]), ("functions, all inside", samples["inside"])):
        print(f"\n{title} (main thread unless said)")
        for name, count in sorted(counts.items(), key=lambda each: -each[1])[:top]:
            thread = name[1 : name.index("]")] if name.startswith("[") else "MainThread"
            print(f"  {count * per_sample.get(thread, scale):>8.1f} µs  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=8.0)
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
