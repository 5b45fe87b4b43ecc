"""The arithmetic of the benchmarks, on data whose answer is known."""

import importlib
import json
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import benchmarks
import vtc
from benchmarks import context, length, run_all, seams, starts, vtok_tokens
from benchmarks.common import Report
from benchmarks.determinism import apart, equal
from vtc.bench.processes import python
from vtc.bench.scenes import render

rng = np.random.default_rng(2)
BORDERS = np.array([624, 640, 656]), np.array([336, 360, 384])


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(benchmarks.__path__)])
def test_every_benchmark_finds_what_it_imports(name: str) -> None:
    assert importlib.import_module(f"benchmarks.{name}").__doc__


def picture() -> np.ndarray:
    return rng.integers(0, 200, (seams.HEIGHT, seams.WIDTH, 3), np.uint8)


def test_borders_lie_at_the_ends_of_fades_and_between_them() -> None:
    assert seams.ends((0, 608), 672).tolist() == [612, 632, 652]
    assert seams.ends((0, 336), 384).tolist() == [340, 360, 380]
    assert seams.ends((0,), 720).size == 0


def test_a_seam_raises_the_ratio_and_noise_does_not() -> None:
    plain = [picture()]
    before = seams.profile(plain)
    assert seams.near(before, BORDERS, BORDERS) == pytest.approx(1, abs=0.02)
    assert seams.near(before, BORDERS, BORDERS, 16) == pytest.approx(1, abs=0.02)
    smooth = np.full_like(plain[0], 100)
    smooth[:, ::2] += 4
    smooth[::2] += 4
    seam = smooth.copy()
    seam[:, 640:] += 40
    seam[360:] += 40
    assert seams.near(seams.profile([smooth]), BORDERS, BORDERS) == pytest.approx(1)
    # One line of three steps by 36 or 44 where all others step by 4.
    assert seams.near(seams.profile([seam]), BORDERS, BORDERS) > 2
    assert all(np.intersect1d(lines, real).size == 0 for moved in seams.shifted(BORDERS) for lines, real in zip(moved, BORDERS))


def test_steps_of_the_patch_grid_are_no_seam() -> None:
    blocks = rng.integers(0, 200, (45, 80, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    profile = seams.profile([blocks])
    borders = np.array([624, 640, 656]), np.array([336, 352, 384])
    assert seams.near(profile, borders, borders, 16) == pytest.approx(1, abs=0.15)
    assert seams.near(profile, borders, borders) > 10


def test_curves_are_read_between_their_points() -> None:
    assert length.fixed_at(150, [(200, 31.0), (100, 30.0)]) == pytest.approx(30.5)
    assert length.fixed_at(50, [(200, 31.0), (100, 30.0)]) is None
    assert length.grid(32) == (0, 2, 4, 8, 12, 16, 24, 32)


def test_a_start_is_read_at_equal_bytes_or_not_at_all() -> None:
    curve = [(100, 20.0), (400, 24.0)]
    assert starts.at_bytes(200, curve) == pytest.approx(22)
    assert starts.at_bytes(99, curve) is None
    assert starts.at_bytes(401, curve) is None
    assert starts.at_bytes(102, [(100, 20.0), (100, 20.0)]) == 20
    assert starts.at_bytes(103, [(100, 20.0), (100, 20.0)]) is None


def test_tokens_of_vtok_are_counted() -> None:
    config = {"side": 128, "clip_frames": 32, "group": 4, "key_frame": "first"}
    assert vtok_tokens.expected(config, 64, 0) == 2 * 64
    assert vtok_tokens.expected(config, 33, 3) == 2 * (64 + 3 * 8)
    assert vtok_tokens.expected(config | {"key_frame": "best"}, 32, 16) == 1 + 64 + 16 * 8
    assert vtok_tokens.numbers(16) == [0, 1, 2, 4, 8, 16]


def test_symbols_are_compared_one_by_one() -> None:
    first = {"motion": np.zeros((2, 3)), "query": np.zeros((4, 2))}
    assert apart(first, first) == 0
    other = {"motion": np.eye(2, 3), "query": np.zeros((5, 2))}
    assert apart(first, other) == 2 + 10
    assert equal([first], [first])
    assert not equal([first], [first, first])


def test_a_process_is_measured_alone() -> None:
    ran = python("-c", "import json; block = bytearray(200 << 20); print(json.dumps({'frames': 3}))")
    assert ran.values == {"frames": 3}
    assert ran.peak > 200
    assert python("-c", "pass").peak < 150
    with pytest.raises(RuntimeError, match="no such thing"):
        python("-c", "raise SystemExit('no such thing')")


@pytest.mark.usefixtures("weights")
def test_results_tell_protocol_command_bundle_and_claims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("quality", "Title", "Protocol\nin two lines.", "mini")
    report.rows.append({"clip": "a", "psnr": 30.0})
    report.claim("28 dB or more", "30 dB", True)
    report.claim("22 dB or more", "21 dB", False)
    report.table(["clip", "PSNR"], [["a", "30.00"]], "Clips")
    report.write(tmp_path)
    head, row = map(json.loads, (tmp_path / "quality.jsonl").read_text().splitlines())
    assert row == report.rows[0]
    assert head["protocol"] == "Protocol in two lines."
    assert head["bundle"].startswith("mini, sha256 ")
    page = (tmp_path / "quality.md").read_text()
    assert "| a | 30.00 |" in page
    assert "**not met**: 22 dB or more: 21 dB" in page
    assert page in capsys.readouterr().out
    summary = run_all.summary(tmp_path, head["bundle"])
    assert "| [quality](quality.md) | 28 dB or more | 30 dB | met |" in summary
    assert "met (another bundle)" in run_all.summary(tmp_path, "other, sha256 0")


@pytest.mark.usefixtures("weights")
def test_recoding_gives_the_file_of_an_encode(tmp_path: Path) -> None:
    scene = render(tmp_path / "scene.mp4", 64, 48, 40)
    for entropy in ("packed", "static"):
        vtc.encode(scene, tmp_path / f"{entropy}.vtc", model="mini", entropy=entropy)
    context.recode(tmp_path / "packed.vtc", tmp_path / "again.vtc", "static")
    assert (tmp_path / "again.vtc").read_bytes() == (tmp_path / "static.vtc").read_bytes()
    counts = context.stream_bytes(tmp_path / "again.vtc")
    assert list(counts) == ["motion", "finer", "partition", "structural", "query"]
    assert 0 < sum(counts.values()) < (tmp_path / "again.vtc").stat().st_size
