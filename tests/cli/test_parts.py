"""The parts of the command line that can be looked at without running it."""

import errno
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from vtc.cli import options
from vtc.cli.chart import BLOCKS, bars, chart, columns
from vtc.cli.errors import describe, report
from vtc.cli.output import clock, plain, readable
from vtc.cli.summary import StreamName, stream_names
from vtc.codec.weights import identity
from vtc.container import Header
from vtc.errors import MediaError, UsageError


def test_times() -> None:
    assert options.seconds("12.5", "--start") == 12.5
    assert options.seconds("1:02.5", "--start") == 62.5
    assert options.seconds("1:00:02", "--start") == 3602
    assert options.span(None, None) == (None, None)
    assert options.span("0:01", "2") == (1, 2)
    for text in ("", "-1", "1:", "a", "1:2:3:4", "nan", "1e3"):
        with pytest.raises(UsageError):
            options.seconds(text, "--start")
    with pytest.raises(UsageError):
        options.span("2", "1")


def test_numbers_of_bytes() -> None:
    known = {"1": 1, "200k": 200_000, "1.5M": 1_500_000, "1.5MB": 1_500_000, "2KiB": 2048, "0.1GiB": 107_374_182, "9B": 9}
    assert {text: options.byte_count(text, "--max-bytes") for text in known} == known
    assert options.byte_count(None, "--max-bytes") is None
    for text in ("", "0", "-1", "1e3", "1.", "k", "1 M", "1T", "1Bk"):
        with pytest.raises(UsageError):
            options.byte_count(text, "--max-bytes")


def test_sizes_rates_and_rectangles() -> None:
    assert options.size("640x360") == (640, 360)
    assert options.size("128") == 128
    assert options.rate("30000/1001") == Fraction(30000, 1001)
    assert options.rate("23.976") == Fraction("23.976")
    assert options.crop("1,2,3,4") == (1, 2, 3, 4)
    for read, text in (
        (options.size, "0x4"), (options.size, "4x"), (options.size, "-4"), (options.rate, "0"), (options.rate, "1/0"),
        (options.rate, "fast"), (options.crop, "1,2,3"), (options.crop, "1,2,3,-4"),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            read(text)


def test_numbers_for_people() -> None:
    assert [readable(n) for n in (0, 999, 1000, 40283, 999_700, 2.5e9)] == ["0 B", "999 B", "1 kB", "40.3 kB", "1 MB", "2.5 GB"]
    assert [clock(s) for s in (0, 7.54, 62, 3723)] == ["0:00.0", "0:07.5", "1:02.0", "1:02:03.0"]


def test_json_has_no_infinity_and_no_objects() -> None:
    values = {"a": float("inf"), "b": (1, Fraction(1, 3)), "c": b"\x0f", "d": Path("x"), "e": None, "f": True}
    assert json.loads(json.dumps(plain(values), allow_nan=False)) == {
        "a": None, "b": [1, "1/3"], "c": "0f", "d": "x", "e": None, "f": True,
    }  # fmt: skip


def test_a_chart_shows_every_value_above_zero() -> None:
    assert bars([0, 1e-6, 8], 8, 1) == [" ▁█"]
    assert columns([1, 1, 3, 3], 2) == [1, 3]
    shown = chart("title", [0, 5, 10], peak="10 things", end="0:03.0")
    assert "10 things" in shown
    assert set("".join(line.partition("│")[0] for line in shown.splitlines()[1:4])) <= set(BLOCKS)
    assert chart("title", [], peak="", end="") == ""


def test_failures_have_a_reason_a_next_step_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(MediaError("no\nsound", "try another"), debug=False) == 1
    assert capsys.readouterr().err == "error: no sound\n  next: try another\n"
    assert report(UsageError("both"), debug=False) == 2
    assert report(KeyboardInterrupt(), debug=False) == 130
    assert capsys.readouterr().err.endswith("error: interrupted\n")
    reason, hint = describe(OSError(errno.ENOSPC, "No space left on device", "a.vtc"))
    assert (reason, hint.partition(":")[0]) == ("a.vtc: No space left on device", "the disk is full")
    reason, hint = describe(ZeroDivisionError("division by zero"))
    assert "ZeroDivisionError" in reason
    assert "--debug" in hint


def test_a_pipe_that_its_reader_closed_is_silent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vtc.cli.errors.silence_stdout", lambda: None)
    first, second = BrokenPipeError(), MediaError("cannot write")
    first.__context__, second.__context__ = second, first  # a circle, as exceptions that are raised again may form
    assert report(second, debug=False) == 1
    assert capsys.readouterr().err == ""


def test_streams_are_called_what_their_bundle_calls_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTC_WEIGHTS", str(tmp_path))
    path = tmp_path / "some.safetensors"
    told = {"streams": [{"name": "structural", "cut": False}, {"name": "query", "cut": True}], "card": {}}
    save_file({"x": np.zeros(1)}, path, {"vtc": json.dumps(told)})
    header = Header("some", identity(path), 16, 16, 16, 16, Fraction(1, 25))
    assert stream_names(header) == ((StreamName("structural"), StreamName("query", cut=True)), True)
    other = Header("some", bytes(32), 16, 16, 16, 16, Fraction(1, 25))
    assert stream_names(other) == ((), False)
