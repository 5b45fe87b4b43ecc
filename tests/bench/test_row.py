"""Rows of results: what makes two of them the same, and what a kill leaves of their file."""

from dataclasses import replace
from pathlib import Path

import pytest

from vtc.bench.row import FAILED, Row, latest, read_rows
from vtc.errors import FormatError

ROW = Row(
    dataset="folder", protocol="128, 16 frames", clip="a/b.mp4", source="1f", codec="x264", preset="medium", keyframes="16",
    point="crf28", value=28, settings={"crf": "28"}, frames=16, width=128, height=128, fps=25.0, bytes=1000, bpp=0.03,
    metrics={"psnr": 31.5, "lpips": None}, unavailable={"lpips": "needs weights"}, picture="pictures/x.png",
)  # fmt: skip


def test_a_row_comes_back_from_its_line() -> None:
    assert Row.from_json(ROW.to_json()) == ROW
    assert "\n" not in ROW.to_json()


def test_a_row_of_a_later_version_can_be_read() -> None:
    assert Row.from_json(ROW.to_json()[:-1] + ', "new": 1}') == ROW


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"dataset": "a"}'])
def test_what_is_no_row_is_an_error(line: str) -> None:
    with pytest.raises(FormatError):
        Row.from_json(line)


@pytest.mark.parametrize(
    "change",
    [
        {"bundle": "00"}, {"settings": {"crf": "28", "preset": "slow"}}, {"source": "2e"}, {"protocol": "128, all frames"},
        {"point": "crf29"},
    ],
)
def test_the_key_changes_with_everything_that_changes_the_result(change: dict[str, object]) -> None:
    assert replace(ROW, **change).key != ROW.key  # type: ignore[arg-type]


def test_the_key_does_not_depend_on_the_outcome() -> None:
    assert replace(ROW, bytes=7, status=FAILED, encode_seconds=1.0, metrics={}, command="other").key == ROW.key
    assert Row.from_json(ROW.to_json()).key == ROW.key


def test_the_same_source_picture_stands_beside_every_codec() -> None:
    other = replace(ROW, codec="x265", point="crf20", picture="pictures/y.png")
    assert other.source_picture == ROW.source_picture != replace(ROW, clip="c.mp4").source_picture


def test_the_last_row_of_a_key_counts_and_order_does_not_depend_on_time() -> None:
    failed, other = replace(ROW, status=FAILED, reason="x"), replace(ROW, clip="a/a.mp4")
    assert latest([failed, ROW, other]) == [other, ROW] == latest([other, failed, ROW])


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert read_rows(path) == []
    path.write_text(ROW.to_json() + "\n" + ROW.to_json()[:40])
    assert read_rows(path) == [ROW]
    path.write_text(ROW.to_json()[:40] + "\n" + ROW.to_json() + "\n")
    with pytest.raises(FormatError):
        read_rows(path)
