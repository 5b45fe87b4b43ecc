"""The real command in a process of its own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Done = subprocess.CompletedProcess[str]
Vtc = Callable[..., Done]

COMMAND = [sys.executable, "-c", "from vtc.cli import main; main()"]
RELEASED = Path(__file__).parents[2] / "weights" / "onedva-tiny.safetensors"


def environment(weights: Path | None) -> dict[str, str]:
    """The environment of a command that finds bundles in the folder `weights` (None: the released ones); `vtc` is on its path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VTC_")}
    kept["OMP_NUM_THREADS"] = "1"  # many small processes: threads would wait for each other
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    if weights is not None:
        kept["VTC_WEIGHTS"] = str(weights)
    return kept


def as_default(bundle: Path, folder: Path) -> Path:
    """A folder in which `bundle` has the name of the default model."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(bundle, folder / RELEASED.name)
    return folder


def patient(command: list[str], folder: Path, environment: dict[str, str], seconds: float) -> Done:
    """Run `command` and all that it starts. What takes longer than so many seconds is ended, and its error output says in which lines its
    threads were."""
    talkative = {**environment, "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(
        command, cwd=folder, env=talkative, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGABRT)
            out, err = process.communicate()
    return Done(command, process.returncode, out, err)
