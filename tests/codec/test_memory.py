"""Memory does not grow with the length of a video."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from vtc.media import SinkInfo, open_sink
from vtc.media.scene import render_scene

RUN = """
import resource, sys, vtc
getattr(vtc, sys.argv[1])(sys.argv[2], sys.argv[3], **eval(sys.argv[4]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak(verb: str, source: Path, target: Path, options: dict[str, object]) -> float:
    """MiB of a process that runs one verb."""
    command = [sys.executable, "-c", RUN, verb, str(source), str(target), repr(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_peak_memory_of_a_long_video_is_that_of_a_short_one(tmp_path: Path) -> None:
    pictures = list(render_scene(640, 360, 20))
    peaks: dict[str, list[float]] = {"encode": [], "decode": []}
    for seconds in (10, 60):
        path = tmp_path / f"{seconds}.mp4"
        with open_sink(path, SinkInfo(640, 360, Fraction(1, 25), Fraction(25)), crf=20) as sink:
            for number in range(25 * seconds):
                there_and_back = number % 38
                sink.write(pictures[min(there_and_back, 38 - there_and_back)], number, 1)
        coded = tmp_path / f"{seconds}.vtc"
        peaks["encode"].append(peak("encode", path, coded, {"model": "mini"}))
        peaks["decode"].append(peak("decode", coded, tmp_path / f"{seconds}.mkv", {}))
    print(peaks)
    for short, long in peaks.values():
        assert long < 1.1 * short
