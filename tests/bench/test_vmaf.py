"""VMAF through stand-ins for the programs: scripts of the same call that read both videos and give their PSNR in luma as the score."""

import sys
from pathlib import Path

import numpy as np
import pytest

from vtc.bench.measure import open_metrics
from vtc.bench.metrics import decibels
from vtc.media.planes import ToPlanes

READ = """
import json, sys
import numpy as np

def lumas(path):
    data = open(path, "rb").read()
    head, data = data.split(b"\\n", 1)
    words = {word[:1]: word[1:] for word in head.decode().split()[1:]}
    width, height = int(words["W"]), int(words["H"])
    assert words["C"] == "420mpeg2" and words["F"] == "30000:1001", head
    size = width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
    frames = [data[at + 6 :][: width * height] for at in range(0, len(data), 6 + size)]
    assert len(data) == len(frames) * (6 + size)
    return np.frombuffer(b"".join(frames), np.uint8).astype(float)

def score(source, decoded, log):
    mse = np.square(lumas(source) - lumas(decoded)).mean()
    with open(log, "w") as file:
        json.dump({"pooled_metrics": {"vmaf": {"mean": 10 * np.log10(255**2 / mse)}}}, file)
"""

VMAF = """
args = sys.argv[1:]
assert args[args.index("--model") + 1] == "version=vmaf_v0.6.1" and "--json" in args
score(*(args[args.index(name) + 1] for name in ("-r", "-d", "-o")))
"""

FFMPEG = """
args = sys.argv[1:]
if "-filters" in args:
    print(" ... libvmaf           VV->V      Calculate the VMAF between two video streams.")
else:
    inputs = [args[i + 1] for i, word in enumerate(args) if word == "-i"]  # libvmaf takes the decoded video first
    name, options = args[args.index("-lavfi") + 1].split("=", 1)
    assert name == "libvmaf" and "model=version=vmaf_v0.6.1" in options.split(":")
    score(inputs[1], inputs[0], options.split("log_path=")[1])
"""


def install(folder: Path, name: str, code: str) -> None:
    """A program of this name."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}")
    path.chmod(0o755)


def film(noise: float, frames: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    base = rng.integers(40, 200, (9, 11, 3)).repeat(5, 0).repeat(5, 1)
    return [np.clip(base + 10 * t + noise * rng.normal(size=base.shape), 0, 255).astype(np.uint8) for t in range(frames)]


@pytest.mark.parametrize(("name", "code"), [("vmaf", VMAF), ("ffmpeg", FFMPEG)])
def test_a_program_on_the_path_measures(name: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, name, READ + code)
    monkeypatch.setenv("PATH", str(tmp_path))
    convert = ToPlanes(55, 45)
    lumas = [np.stack([convert(frame)[0] for frame in each]).astype(float) for each in (film(0), film(9))]
    expected = decibels(np.square(lumas[0] - lumas[1]).mean())
    found = open_metrics(["vmaf"]).measure(film(0), film(9), fps=30000 / 1001)
    assert found.values["vmaf"] == pytest.approx(expected)


def test_without_a_program_it_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = open_metrics(["vmaf"]).measure(film(0), film(9))
    assert found.values["vmaf"] is None
    assert found.unavailable["vmaf"].startswith("needs vmaf on PATH")
    install(tmp_path, "ffmpeg", "print('no such filter')")
    assert "which this one is not" in open_metrics(["vmaf"]).unavailable["vmaf"]


def test_a_program_that_fails_costs_the_metric_and_not_the_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "vmaf", "import sys; sys.exit('could not read model')")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = open_metrics(["vmaf", "psnr"]).measure(film(0), film(9))
    assert found.values["vmaf"] is None
    assert found.values["psnr"] is not None
    assert "could not read model" in found.unavailable["vmaf"]
