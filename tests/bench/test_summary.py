"""Tables of made-up rows."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.bench.made_up import failed, made_up
from vtc.bench.curves import curves
from vtc.bench.fvd import frechet_distance
from vtc.bench.summary import comparisons, typical, write_bd_rates, write_summary


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_point_is_the_mean_of_its_clips_by_three_protocols(tmp_path: Path) -> None:
    rows = made_up({"x264": 1.0}, steps=[2])
    rows = [replace(row, metrics=row.metrics | {"psnr_clip": value}) for row, value in zip(rows, (20.0, 30.0, 40.0))]
    write_summary(curves(rows), tmp_path / "summary.csv")
    (line,) = table(tmp_path / "summary.csv")
    assert float(line["psnr"]) == pytest.approx(np.mean([row.metrics["psnr"] for row in rows]), rel=1e-5)
    assert float(line["psnr_clip"]) == pytest.approx(30)
    assert float(line["psnr_mse"]) == pytest.approx(-10 * math.log10((1e-2 + 1e-3 + 1e-4) / 3), rel=1e-5)
    assert float(line["bpp"]) == pytest.approx(np.mean([row.bpp for row in rows]), rel=1e-5)
    assert (line["clips"], line["frames"], line["bytes"]) == ("3", "96", str(sum(row.bytes for row in rows)))
    assert float(line["encode_fps"]) == pytest.approx(96 / 1.5, rel=1e-5)
    assert "lpips" not in line  # nowhere to be had


def test_points_differ_by_their_knob_only() -> None:
    rows = made_up({"onedva-toy": 1.0}) + made_up({"onedva-toy": 1.1}, variant="steps4")
    found = curves(rows)
    assert [(curve.series.name, len(curve.points)) for curve in found] == [("onedva-toy", 5), ("onedva-toy steps4", 5)]
    other = [replace(row, bundle="cd" * 32) for row in made_up({"onedva-toy": 1.0})]
    assert len(curves(rows + other)) == 3


def test_a_clip_that_failed_once_is_left_out_of_the_whole_curve() -> None:
    rows = made_up({"x264": 1.0, "x265": 0.8})
    broken = [failed(row) if (row.codec, row.clip, row.point) == ("x265", "wild.mp4", "crf33") else row for row in rows]
    x264, x265 = curves(broken)
    assert (x264.clips, x264.lost) == (("calm.mp4", "middle.mp4", "wild.mp4"), ())
    assert (x265.clips, x265.lost) == (("calm.mp4", "middle.mp4"), ("wild.mp4",))
    assert {len(point.rows) for point in x265.points} == {2}
    assert not curves([failed(row) for row in rows])


def test_a_metric_that_one_clip_lacks_has_no_mean() -> None:
    rows = made_up({"x264": 1.0}, steps=[1])
    rows[0] = replace(rows[0], metrics=rows[0].metrics | {"ssim": None})
    (curve,) = curves(rows)
    assert curve.points[0].metrics["ssim"] is None
    assert curve.values("ssim") == []


def test_fvd_is_of_all_clips_of_a_point(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = made_up({"x264": 1.0}, steps=[1])
    logits = rng.normal(size=(3, 2, 8)).astype(np.float32)
    for row, values in zip(rows, logits):
        np.save(tmp_path / f"{row.key}.npy", values)
    (curve,) = curves(rows, tmp_path)
    assert curve.points[0].metrics["fvd"] == pytest.approx(frechet_distance(logits[:, 0], logits[:, 1]))
    (tmp_path / f"{rows[0].key}.npy").unlink()
    assert curves(rows, tmp_path)[0].points[0].metrics["fvd"] is None


def test_everything_is_compared_with_the_middle_presets_of_the_anchors(tmp_path: Path) -> None:
    pytest.importorskip("bjontegaard", reason="BD-rate comes with the bench extra")
    found = curves(made_up(presets=["fast", "medium", "slow"]) + made_up(keyframes="16"))
    default = [curve for curve in found if curve.series.keyframes == "default"]
    names = [curve.series.name for curve in typical(default)]
    assert sorted(names) == ["onedva-toy", "svtav1 medium", "vp9 medium", "x264 medium", "x265 medium"]
    write_bd_rates(comparisons(found), tmp_path / "bd_rate.csv")
    lines = [line for line in table(tmp_path / "bd_rate.csv") if line["metric"] == "psnr"]
    named = {(line["keyframes"], line["anchor"], line["codec"]): float(line["percent"]) for line in lines}
    assert named["default", "x264 medium", "onedva-toy"] == pytest.approx(20, abs=0.3)
    assert named["16", "x265 medium", "onedva-toy"] == pytest.approx(50, abs=0.3)
    assert named["default", "x264 medium", "x264 slow"] == pytest.approx(-10, abs=0.3)
    assert {anchor for _, anchor, _ in named} == {"x264 medium", "x265 medium", "svtav1 medium"}
    assert all(line["clips"] == "3" and line["reason"] == "" for line in lines)


def test_a_table_says_why_there_is_no_figure(tmp_path: Path) -> None:
    pytest.importorskip("bjontegaard", reason="BD-rate comes with the bench extra")
    rows = made_up({"x264": 1.0}) + made_up({"onedva-toy": 1.0}, steps=[20, 21, 22, 23])
    write_bd_rates(comparisons(curves(rows)), tmp_path / "bd_rate.csv")
    line = next(line for line in table(tmp_path / "bd_rate.csv") if line["metric"] == "psnr")
    assert line["percent"] == ""
    assert "less than half" in line["reason"]
    assert line["difference_at_equal_rate"] == ""
    assert line["clips_without"] == "3"


def test_nothing_measured_gives_empty_tables(tmp_path: Path) -> None:
    write_summary([], tmp_path / "summary.csv")
    write_bd_rates([], tmp_path / "bd_rate.csv")
    assert (tmp_path / "summary.csv").read_text() == (tmp_path / "bd_rate.csv").read_text() == ""
