"""Commands of vtc run as a user runs them, timed from outside."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

VTC = (sys.executable, "-c", "from vtc.cli import main; main()")
"""The command `vtc` by the interpreter that runs this."""

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


def vtc(*words: object, weights: Path | None = None) -> Ran:
    """Runs `vtc WORDS`; `weights`: the folder of bundles to look in first. Raises `RuntimeError` with what it said when it fails."""
    return python(*VTC[1:], *words, environment={"VTC_WEIGHTS": str(weights)} if weights else {})


def python(*words: object, environment: Mapping[str, str] = MappingProxyType({})) -> Ran:
    """Runs Python with `words`, with `environment` besides its own; what it prints is read as JSON where it is an object."""
    with tempfile.TemporaryDirectory() as folder:
        measured = Path(folder, "measured.json")
        line = [sys.executable, *map(str, words)]
        launch: list[str | Path] = [sys.executable, "-S", "-c", LAUNCHER, measured, *line]
        done = subprocess.run(launch, capture_output=True, env={**os.environ, **environment})
        if done.returncode:
            raise RuntimeError(f"{' '.join(line[1:])}: {done.stderr.decode(errors='replace')[-2000:]}")
        wall, cpu, peak = json.loads(measured.read_text())
    text = done.stdout.decode()
    return Ran(wall, cpu, peak, json.loads(text) if text.startswith("{") else {})
