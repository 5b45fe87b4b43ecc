"""From a video through a file to a video: frames, times, sizes, sound, bytes."""

import io
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import vtc
from vtc.container import open_reader
from vtc.errors import BundleError, MediaError, OutputError, UsageError

from .films import Make, shown

pytestmark = pytest.mark.usefixtures("weights")


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((one.astype(float) - two) ** 2), 1e-9)))


@pytest.mark.parametrize(
    ("frames", "width", "height"), [(1, 64, 48), (16, 48, 64), (17, 64, 48), (5, 37, 21), (3, 16, 16), (2, 9, 5)]
)
def test_any_length_and_size_comes_back(video: Make, tmp_path: Path, frames: int, width: int, height: int) -> None:
    source = video(frames, width, height)
    result = vtc.encode(source, tmp_path / "a.vtc", model="mini", quality=70)
    back = vtc.decode(tmp_path / "a.vtc", tmp_path / "b.mkv", codec="ffv1")
    assert result.frames == back.frames == frames and (back.width, back.height) == (width, height)
    before, after = shown(source), shown(tmp_path / "b.mkv")
    assert after[0].shape == before[0].shape and after[1] == before[1]
    assert psnr(before[0], after[0]) > 15
    assert result.bytes == (tmp_path / "a.vtc").stat().st_size == result.video_bytes
    assert result.bpp == pytest.approx(8 * result.bytes / (frames * width * height))


def test_variable_timestamps_are_exact(video: Make, tmp_path: Path) -> None:
    pts = [0, 7, 40, 41, 200, 1000, 1001, 1100, 1500, 1501, 1502, 1600, 1700, 1800, 2500, 2600, 2601, 9000, 9001, 9100]
    source = video(len(pts), pts=pts)
    vtc.encode(source, tmp_path / "a.vtc", model="mini")
    vtc.decode(tmp_path / "a.vtc", tmp_path / "b.mkv", codec="ffv1")
    assert shown(tmp_path / "b.mkv")[1] == [Fraction(t, 1000) for t in pts]


def test_quality_buys_fidelity_with_bytes(film: Path, tmp_path: Path) -> None:
    sizes, fidelity = [], []
    original = shown(film)[0]
    for quality in (10, 50, 90):
        sizes.append(vtc.encode(film, tmp_path / "a.vtc", model="mini", quality=quality, overwrite=True).bytes)
        vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy", overwrite=True)
        fidelity.append(psnr(original, np.load(tmp_path / "a.npy")))
    assert sizes == sorted(sizes) and fidelity[0] < min(fidelity[1:]) and sizes[0] < sizes[2] / 2


def test_the_same_input_gives_the_same_bytes(film: Path, coded: Path, tmp_path: Path) -> None:
    vtc.encode(film, tmp_path / "a.vtc", model="mini", group=3)
    assert (tmp_path / "a.vtc").read_bytes() == coded.read_bytes()


def test_symbols_do_not_depend_on_threads(coded: Path, decoded: np.ndarray, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    try:
        for number in (1, 2):
            vtc.decode(coded, tmp_path / f"{number}.npy", threads=number)  # every segment's checksum is compared
        with vtc.open(coded, threads=1) as one, vtc.open(coded, threads=2) as two:
            for segment in range(one.segments):
                first, second = one.tokens(segment), two.tokens(segment)
                assert all((first[name] == second[name]).all() for name in first)
    finally:
        torch.set_num_threads(threads)
    difference = np.abs(np.load(tmp_path / "1.npy").astype(int) - np.load(tmp_path / "2.npy"))
    assert difference.max() <= 1


@pytest.mark.parametrize("entropy", ["packed", "static"])
def test_each_profile_decodes_to_the_same_frames(film: Path, decoded: np.ndarray, tmp_path: Path, entropy: str) -> None:
    result = vtc.encode(film, tmp_path / "a.vtc", model="mini", group=3, entropy=entropy)
    assert result.entropy == entropy
    vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), decoded)


def test_groups_lean_and_cost_less_than_segments_alone(film: Path, coded: Path, tmp_path: Path) -> None:
    with open_reader(coded) as reader:
        assert [entry.leans for entry in reader.index.segments] == [False, True, True, False, True, True, False]
        assert reader.header.group == 3
    alone = vtc.encode(film, tmp_path / "a.vtc", model="mini", group=1)
    assert alone.bytes > coded.stat().st_size


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (1.0, 2.5), (1.95, None), (3.9, 99.0)])
def test_a_part_of_a_decode_is_that_part(
    coded: Path, decoded: np.ndarray, tmp_path: Path, start: float, end: float | None
) -> None:
    vtc.decode(coded, tmp_path / "part.mkv", codec="ffv1", start=start, end=end)
    vtc.decode(coded, tmp_path / "part.npy", start=start, end=end)
    times = np.arange(100) * 40
    inside = (times >= 1000 * start) & (times < 1000 * (end or 99))
    np.testing.assert_array_equal(np.load(tmp_path / "part.npy"), decoded[inside])
    expected = [Fraction(int(t), 1000) - Fraction(int(1000 * start), 1000) for t in times[inside]]
    assert shown(tmp_path / "part.mkv")[1] == expected


def test_a_part_of_the_source_can_be_encoded_at_another_size_and_rate(film: Path, tmp_path: Path) -> None:
    result = vtc.encode(film, tmp_path / "a.vtc", model="mini", start=1.0, end=2.0, size=32, fps=12.5)
    assert result.frames in (12, 13) and (result.width, result.height) == (64, 48)
    with open_reader(tmp_path / "a.vtc") as reader:
        assert (reader.header.width, reader.header.height) == (42, 32)
    back = vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy")
    assert np.load(tmp_path / "a.npy").shape == (result.frames, 48, 64, 3) and back.width == 64


def test_decoded_size_scale_crop_and_rate(coded: Path, decoded: np.ndarray, tmp_path: Path) -> None:
    def size(**options: object) -> tuple[int, ...]:
        vtc.decode(coded, tmp_path / "a.npy", overwrite=True, end=0.6, **options)
        return np.load(tmp_path / "a.npy").shape[:3]

    assert size(size=24) == (15, 24, 32)
    assert size(size=(10, 20)) == (15, 20, 10)
    assert size(scale=2.0) == (15, 96, 128)
    assert size(fps=50) == (30, 48, 64)
    assert size(fps=12.5) == (8, 48, 64)
    assert size(crop=(8, 4, 20, 10)) == (15, 10, 20)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), decoded[:15, 4:14, 8:28])
    with pytest.raises(UsageError, match="outside"):
        size(crop=(60, 0, 10, 10))


def test_steps_and_seed(coded: Path, tmp_path: Path) -> None:
    def frames(**options: int) -> np.ndarray:
        vtc.decode(coded, tmp_path / "a.npy", overwrite=True, end=0.2, **options)
        return np.load(tmp_path / "a.npy")

    np.testing.assert_array_equal(frames(steps=3, seed=1), frames(steps=3, seed=1))
    assert (frames(steps=1, seed=1) == frames(steps=1, seed=2)).all()


def test_large_frames_are_tiled(video: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = video(18, 300, 200)
    monkeypatch.setattr("vtc.codec.streams.layout.__defaults__", (128 * 128,))
    vtc.encode(source, tmp_path / "a.vtc", model="mini", quality=60)
    with open_reader(tmp_path / "a.vtc") as reader:
        counts = reader.segment(0).streams[-1].counts
    assert len(counts) > 4
    vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy")
    assert psnr(shown(source)[0], np.load(tmp_path / "a.npy")) > 20


def test_length_and_tokens_choose_how_much_is_kept(film: Path, tmp_path: Path) -> None:
    def lengths(**options: object) -> list[int]:
        vtc.encode(film, tmp_path / "a.vtc", model="mini", overwrite=True, **options)
        with open_reader(tmp_path / "a.vtc") as reader:
            return [reader.segment(number).streams[-1].counts[0] for number in range(7)]

    usual = lengths()
    assert lengths(tokens=3) == [3] * 7 and lengths(tokens=99) == [8] * 7 and lengths(length=0.0) == [0] * 7
    assert all(half <= whole for half, whole in zip(lengths(length=0.5), usual))
    vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy")


def test_a_pipe_is_enough(coded: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe:
        buffer = io.BytesIO()

    monkeypatch.setattr(sys, "stdout", Pipe())
    vtc.encode(film, "-", model="mini", group=3)
    assert Pipe.buffer.getvalue() == coded.read_bytes()


def test_progress_counts_up(film: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    vtc.encode(film, tmp_path / "a.vtc", model="mini", progress=lambda *now: seen.append(now))
    assert [frames for frames, _ in seen] == [16, 32, 48, 64, 80, 96, 100]
    assert seen == sorted(seen) and seen[-1][1] <= (tmp_path / "a.vtc").stat().st_size
    seen.clear()
    vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy", progress=lambda *now: seen.append(now))
    assert [frames for frames, _ in seen] == list(range(1, 101))


def test_nothing_is_overwritten_or_left_behind(film: Path, coded: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.vtc"
    target.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        vtc.encode(film, target, model="mini")
    assert target.read_bytes() == b"mine"
    with pytest.raises(OutputError, match="folder"):
        vtc.encode(film, tmp_path / "none" / "a.vtc", model="mini")
    with pytest.raises(MediaError):
        vtc.encode(tmp_path / "none.mp4", target, model="mini", overwrite=True)
    with pytest.raises(BundleError, match="no bundle named"):
        vtc.encode(film, target, model="onedwarf", overwrite=True)

    def interrupt(frames: int, size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vtc.encode(film, target, model="mini", overwrite=True, progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        vtc.decode(coded, tmp_path / "b.mkv", progress=interrupt)
    assert target.read_bytes() == b"mine" and [path.name for path in tmp_path.iterdir()] == ["a.vtc"]


def test_a_full_disk_is_told(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, data: bytes) -> int:
        raise OutputError("the file cannot be written: full") from OSError(28, "No space left on device")

    monkeypatch.setattr("vtc.container.writer.Writer._put", full)
    with pytest.raises(OutputError, match="disk is full"):
        vtc.encode(film, tmp_path / "a.vtc", model="mini")
    assert not list(tmp_path.iterdir())
