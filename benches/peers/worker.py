"""The protocol by which `run.py` drives every worker, ours and the peers'.

A worker prints `{"ready": true, "startup_seconds": s}` once it could take a step.
Then it reads one command a line: `step` takes one step and answers
`{"seconds": s, ...}`; `quit` answers `{"peak_bytes": n}` and ends. Between
commands it sleeps on standard input.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path


def seconds_since_start() -> float:
    """Seconds since the system started this process (in ticks of 10 ms)."""
    fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def peak_bytes() -> int:
    """The most memory that was ever resident."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def timed(step: Callable[[], dict]) -> dict:
    """One step's own answer with the seconds that it took."""
    start = time.perf_counter()
    answer = step()
    return {"seconds": time.perf_counter() - start, **answer}


def serve(step: Callable[[], dict]) -> None:
    """Answer commands until `quit` or the end of standard input."""
    say({"ready": True, "startup_seconds": seconds_since_start()})
    for line in sys.stdin:
        match line.strip():
            case "step":
                say(timed(step))
            case "quit":
                say({"peak_bytes": peak_bytes()})
                return
            case other:
                sys.exit(f"unknown command: {other!r}")


def run_all(step: Callable[[], dict], steps: int) -> None:
    """Without `run.py`: all steps at once, one JSON object at the end."""
    startup = seconds_since_start()
    answers = [timed(step) for _ in range(steps)]
    lists = {key: [answer[key] for answer in answers] for key in answers[0]}
    say({"startup_seconds": startup, "peak_bytes": peak_bytes(), **lists})


def say(answer: dict) -> None:
    print(json.dumps(answer), flush=True)
