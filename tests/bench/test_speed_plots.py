"""Rows of speed.jsonl, and what is drawn of them."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="plots come with the bench extra")

from vtc.bench.canvas import svg
from vtc.bench.publish import publish
from vtc.bench.speed_plots import speed_plots
from vtc.bench.speed_row import DECODE, ENCODE, SpeedRow, read_speeds
from vtc.bench.style import LIGHT
from vtc.errors import FormatError

SIZES = {(128, 128): 48, (320, 240): 96, (1280, 720): 48}


def rows() -> list[SpeedRow]:
    found = []
    for verb in (ENCODE, DECODE):
        for (width, height), frames in SIZES.items():
            for count in (frames, 2 * frames) if width == 320 else (frames,):
                seconds = count * width * height * 1e-7
                row = SpeedRow("onedva-toy", verb, "cpu", 2, width, height, count, seconds=seconds, startup=1.0, peak_mib=300.0)
                found.append(replace(row, parts={"read": seconds / 4, "network": seconds / 2}))
    return found


def test_rows_come_back_and_the_last_of_a_key_counts(tmp_path: Path) -> None:
    first = rows()
    again = replace(first[0], seconds=9.0)
    text = "".join(row.to_json() + "\n" for row in [*first, again])
    (tmp_path / "speed.jsonl").write_text(text + '{"codec": "torn', encoding="utf-8")
    found = read_speeds(tmp_path / "speed.jsonl")
    assert len(found) == len(first)
    assert again in found and first[0] not in found
    assert again.fps == pytest.approx(48 / 9)
    assert read_speeds(tmp_path / "missing.jsonl") == []
    (tmp_path / "bad.jsonl").write_text("[]\n")
    with pytest.raises(FormatError):
        read_speeds(tmp_path / "bad.jsonl")


def test_growth_is_drawn_of_what_was_measured_at_two_places_or_more() -> None:
    found = speed_plots(rows())
    assert list(found) == ["frames a second over size", "seconds over length", "memory over size", "onedva-toy, time by part, cpu"]
    assert all(svg(draw, LIGHT).startswith(b"<?xml") for draw in found.values())
    one_size = [row for row in rows() if row.width == 320]
    assert list(speed_plots(one_size)) == ["seconds over length", "onedva-toy, time by part, cpu"]
    assert speed_plots([replace(row, status="failed") for row in rows()]) == {}


def test_a_folder_of_speed_alone_has_a_report_of_its_own(tmp_path: Path) -> None:
    machine = "a machine, 2 cores, load {}; Python 3"
    found = [replace(row, machine=machine.format(number / 10), startup=1.25) for number, row in enumerate(rows())]
    left_out = replace(found[0], width=1920, height=1080, status="failed", reason="left out: it would take about 400 s")
    (tmp_path / "speed.jsonl").write_text("".join(row.to_json() + "\n" for row in [*found, left_out]), encoding="utf-8")
    written = {path.name for path in publish(tmp_path)}
    assert "plot_speed-seconds-over-length.png" in written and "report.html" in written
    assert not list(tmp_path.glob("*.csv"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Speed of onedva-toy" in page and "8 measurements" in page and "No bundle" not in page
    assert "<td class=\"number\">1.25</td>" in page and "network, ms a frame" in page
    assert "1920×1080" in page and "it would take about 400 s" in page
    assert page.count("a machine, 2 cores; Python 3") == 1 and "0 to 0.7" in page
