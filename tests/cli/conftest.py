"""The real command in a process of its own, and small things to run it on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]
Vtc = Callable[..., Done]

COMMAND = [sys.executable, "-c", "from vtc.cli import main; main()"]


@pytest.fixture
def vtc(command_environment: dict[str, str], tmp_path: Path) -> Vtc:
    """`vtc("info", "clip.vtc")` runs it in `tmp_path` and waits."""

    def run(*arguments: str | Path, stdin: bytes | None = None, timeout: float = 120) -> Done:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env=command_environment,
            input=stdin or b"",
            capture_output=True,
            timeout=timeout,
        )
        texts = [stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr)]
        return Done(done.args, done.returncode, *texts)

    return run
