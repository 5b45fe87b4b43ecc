"""Commands of vtc run as a user runs them, timed from outside."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAUNCHER = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
status = subprocess.call(sys.argv[2:])
wall, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump([wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024], file)
sys.exit(status)
"""
"""Runs one command and measures it. A process counts what its parent held at its birth as its own: this parent holds next to nothing."""


@dataclass(frozen=True)
class Ran:
    """`wall`: seconds from start to end of the process; `cpu`: of all its threads; `peak`: MiB resident at most; `values`: its JSON."""

    wall: float
    cpu: float
    peak: float
    values: dict[str, Any]


def vtc(*words: object) -> Ran:
    """Runs `vtc WORDS`. Raises `RuntimeError` with what it said when it fails."""
    return python("-c", "from vtc.cli import main; main()", *words)


def python(*words: object) -> Ran:
    """Runs Python with `words`; what it prints is read as JSON where it is an object."""
    with tempfile.TemporaryDirectory() as folder:
        measured = Path(folder, "measured.json")
        line = [sys.executable, *map(str, words)]
        done = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, measured, *line], capture_output=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(line[1:])}: {done.stderr.decode(errors='replace')[-2000:]}")
        figures = json.loads(measured.read_text())
    text = done.stdout.decode()
    return Ran(*figures, json.loads(text) if text.startswith("{") else {})
