"""A folder of results is written by one run at a time, and by the next one however the last one ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.clips import scene, write
from vtc.bench.lock import held
from vtc.cli.app import run
from vtc.errors import OutputError

HOLDER = """
import subprocess, sys
from pathlib import Path
from vtc.bench.lock import held
with held(Path(sys.argv[1])):
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=sys.stdin, stdout=subprocess.DEVNULL)
    print("held", flush=True)
    child.wait()
"""
"""Holds a folder, with a child that outlives it, until its standard input ends."""


@pytest.mark.parametrize("words", [("--codecs", "x264", "--points", "1", "--metrics", "psnr"), ("--speed", "--codecs", "mini")])
@pytest.mark.usefixtures("weights")
def test_a_second_run_into_the_same_folder_is_refused_and_touches_nothing(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, data = tmp_path / "out", tmp_path / "data"
    write(data / "a.mkv", scene(64, 64, 16))
    with held(out):
        (out / "scratch").mkdir()
        (out / "scratch" / "being-coded").touch()
        before = sorted(out.rglob("*"))
        assert run(["bench", "--data-root", str(data), "--out", str(out), *words]) == 1
        told = capsys.readouterr().err
        assert f"another vtc bench (process {os.getpid()}) is writing into" in told and "--out" in told and "Traceback" not in told
        assert sorted(out.rglob("*")) == before


def test_a_run_that_ended_or_was_killed_holds_nothing(tmp_path: Path) -> None:
    with held(tmp_path):
        pass
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(OutputError, match=f"process {holder.pid}"), held(tmp_path):
            pass
        holder.kill()
        assert holder.wait() == -signal.SIGKILL
        with held(tmp_path):  # its child is still there, and has not inherited the lock
            pass
