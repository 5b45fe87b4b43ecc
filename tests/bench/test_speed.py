"""Speed: parts are timed where they happen, rows are not measured twice, and nobody waits for hours."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vtc.bench import speed
from vtc.bench.bundles import Bundle
from vtc.bench.parts import Timers
from vtc.bench.row import DONE, FAILED
from vtc.bench.speed import Case, cases, run_speed
from vtc.bench.speed_row import SpeedRow


class Work:
    def once(self, seconds: float) -> str:
        time.sleep(seconds)
        return "done"

    def steps(self, seconds: float, count: int) -> Iterator[int]:
        for number in range(count):
            time.sleep(seconds)
            yield number


def test_time_inside_of_functions_counts_and_time_outside_does_not() -> None:
    timers = Timers()
    undo = [timers.calls(Work, "once", "a"), timers.calls(Work, "steps", "b")]
    assert Work().once(0.05) == "done"
    found = []
    for number in Work().steps(0.02, 3):
        found.append(number)
        time.sleep(0.1)
    for each in undo:
        each()
    Work().once(0.05)
    assert found == [0, 1, 2]
    assert timers.seconds["a"] >= 0.05 and 0.06 <= timers.seconds["b"] < 0.3


def test_sizes_come_first_and_hold_a_clip_of_the_bundle() -> None:
    ordinary, long = cases(16), cases(128)
    assert [(case.width, case.height) for case in ordinary[:6]] == list(speed.SIZES)
    assert [case.frames for case in ordinary[:6]] == [48] * 4 + [32] * 2 and {case.frames for case in long[:6]} == {128}
    assert [case.frames for case in cases(256)[6:]] == [384, 768]
    assert [case.frames for case in long[6:]] == [case.frames for case in ordinary[6:]] == [192, 384, 768]


def test_a_bundle_is_measured_once(mini_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "RUNS", 1)
    monkeypatch.setenv("VTC_WEIGHTS", str(mini_bundle.parent))
    told: list[SpeedRow] = []
    small = [Case(64, 48, 16)]
    rows = run_speed([Bundle(mini_bundle)], tmp_path, threads=1, chosen=lambda _: small, progress=told.append)
    assert [(row.verb, row.status, row.frames) for row in rows] == [("encode", DONE, 16), ("decode", DONE, 16)], rows
    encode, decode = rows
    assert {"read", "base layer", "network", "entropy"} <= set(encode.parts)
    assert {"base layer", "network", "entropy", "write"} <= set(decode.parts)
    for row in rows:
        assert row.fps > 0 and row.startup and row.peak_mib and row.peak_mib > 50
        assert all(0 <= seconds < 60 for seconds in row.parts.values())
    assert run_speed([Bundle(mini_bundle)], tmp_path, threads=1, chosen=lambda _: small, progress=told.append) == rows
    assert told == rows and len((tmp_path / speed.SPEEDS).read_text().splitlines()) == 2
    assert not (tmp_path / "scratch-speed").exists()


def test_what_would_take_too_long_is_left_out_and_says_so(
    mini_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(self: speed._Bench, case: Case, blank: dict[str, SpeedRow]) -> list[SpeedRow]:
        if case.width == 32:
            raise RuntimeError("encode:\nno memory")
        self.slowest = 1.0 / (64 * 48 * 16)
        return list(blank.values())

    monkeypatch.setattr(speed._Bench, "_measured", slow)
    chosen = [Case(32, 32, 16), Case(64, 48, 16), Case(640, 480, 64)]
    rows = run_speed([Bundle(mini_bundle)], tmp_path, threads=1, chosen=lambda _: chosen)
    assert [(row.width, row.status) for row in rows] == [(32, FAILED)] * 2 + [(64, DONE)] * 2 + [(640, FAILED)] * 2
    assert "no memory" in rows[0].reason and "about 400 s" in rows[4].reason
