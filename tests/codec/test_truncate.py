"""Cutting the 1D latents of a file that exists."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest

import vtc
from vtc.container import open_reader
from vtc.errors import DamageError, UsageError

pytestmark = pytest.mark.usefixtures("weights")


@pytest.mark.parametrize("cut", [{"length": 0.5}, {"length": 0.0}, {"tokens": 1}])
def test_a_cut_file_is_the_one_that_an_encode_with_that_length_gives(
    film: Path, coded: Path, tmp_path: Path, cut: dict[str, float]
) -> None:
    result = vtc.encode(coded, tmp_path / "cut.vtc", **cut)
    again = vtc.encode(film, tmp_path / "again.vtc", model="mini", group=3, **cut)
    assert (tmp_path / "cut.vtc").read_bytes() == (tmp_path / "again.vtc").read_bytes()
    assert result.bytes == (tmp_path / "cut.vtc").stat().st_size < coded.stat().st_size
    left_out = {"seconds", "fps", "warnings"}
    assert {k: v for k, v in result.values().items() if k not in left_out} == {
        k: v for k, v in again.values().items() if k not in left_out
    }


def test_a_cut_file_decodes_and_only_its_query_changed(coded: Path, decoded: np.ndarray, tmp_path: Path) -> None:
    vtc.encode(coded, tmp_path / "cut.vtc", length=0.5)
    vtc.decode(tmp_path / "cut.vtc", tmp_path / "cut.npy")
    assert np.load(tmp_path / "cut.npy").shape == decoded.shape
    with open_reader(coded) as before, open_reader(tmp_path / "cut.vtc") as after:
        assert after.verify() and not any(finding.problem for finding in after.verify())
        assert before.header == after.header and before.tags == after.tags
        for number in range(len(before.index.segments)):
            one, other = before.segment(number), after.segment(number)
            assert one.pts == other.pts and one.streams[:-1] == other.streams[:-1]
            assert [round(count / 2) for count in one.streams[-1].counts] == list(other.streams[-1].counts)


def test_a_length_of_one_token_more_than_there_are_changes_nothing(coded: Path, tmp_path: Path) -> None:
    vtc.encode(coded, tmp_path / "same.vtc", tokens=99)
    assert (tmp_path / "same.vtc").read_bytes() == coded.read_bytes()


def test_through_pipes(coded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vtc.encode(coded, tmp_path / "cut.vtc", length=0.5)

    class In:
        buffer = io.BufferedReader(io.BytesIO(coded.read_bytes()))

    class Out:
        buffer = io.BytesIO()

    monkeypatch.setattr(sys, "stdin", In())
    monkeypatch.setattr(sys, "stdout", Out())
    vtc.encode("-", "-", length=0.5)
    assert Out.buffer.getvalue() == (tmp_path / "cut.vtc").read_bytes()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "--length or --tokens would cut"),
        ({"length": 0.5, "quality": 70}, "--quality cannot"),
        ({"tokens": 1, "start": 1.0, "size": 32}, "--start and --size cannot"),
        ({"length": 0.5, "model": "mini"}, "--model cannot"),
        ({"length": 1.5}, "can only be cut"),
    ],
)  # fmt: skip
def test_more_cannot_be_asked_of_it(coded: Path, tmp_path: Path, options: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        vtc.encode(coded, tmp_path / "cut.vtc", **options)
    assert not (tmp_path / "cut.vtc").exists()


def test_a_damaged_file_is_not_cut(coded: Path, tmp_path: Path) -> None:
    data = bytearray(coded.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "damaged.vtc").write_bytes(data)
    with pytest.raises(DamageError, match="segment"):
        vtc.encode(tmp_path / "damaged.vtc", tmp_path / "cut.vtc", length=0.5)
    assert list(tmp_path.iterdir()) == [tmp_path / "damaged.vtc"]
