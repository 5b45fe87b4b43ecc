"""Encoders leave the thread that calls them, and the processes that it starts, as they were."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from vtc.media import SinkInfo, open_sink, render_scene
from vtc.media.anchor import encode_mp4

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no scheduling policies here")
POLICY = "import os; print(os.sched_getscheduler(0))"


def policies() -> tuple[int, int]:
    """Of this thread, and of a process that it starts."""
    done = subprocess.run([sys.executable, "-c", POLICY], capture_output=True, text=True, check=True)
    return os.sched_getscheduler(0), int(done.stdout)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
def test_a_sink_leaves_the_priority(tmp_path: Path, codec: str) -> None:
    before = policies()
    with open_sink(tmp_path / "a.mkv", SinkInfo(96, 64, Fraction(1, 24), Fraction(24)), codec=codec) as sink:
        for number, rgb in enumerate(render_scene(96, 64, 4)):
            sink.write(rgb, number, 1)
        assert policies() == before
    assert policies() == before


@pytest.mark.parametrize(("codec", "options"), [("libx264", {}), ("libsvtav1", {"preset": "10"})])
def test_an_anchor_leaves_the_priority(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    before = policies()
    encode_mp4(render_scene(96, 64, 4), tmp_path / "a.mp4", codec, options, Fraction(24))
    assert policies() == before
