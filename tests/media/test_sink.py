"""Writing: what goes in is what a reader gets, and nothing is left behind when it fails."""

import errno
import io
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.media.clips import numbered, quadrants, read, write
from vtc.errors import OutputError, UsageError
from vtc.media import Colour, Frame, SinkInfo, open_sink, open_source, render_scene

FRAMES = numbered(list(render_scene(96, 64, 24)))
INFO = SinkInfo(96, 64, Fraction(1, 24), Fraction(24), Colour(1, 1, 1))
VFR = [0, 3000, 6000, 12000, 15000, 30000, 33003]


def psnr(ours: list[Frame], theirs: list[Frame]) -> float:
    error = np.mean([np.square(a.rgb.astype(float) - b.rgb).mean() for a, b in zip(ours, theirs)])
    return float(10 * np.log10(255**2 / error)) if error else np.inf


@pytest.mark.parametrize(
    ("name", "codec", "least"),
    [
        ("a.mp4", None, 30), ("a.mov", "libx265", 30), ("a.mkv", "libx264", 30), ("a.webm", None, 30), ("a.webm", "libsvtav1", 29),
        ("a.mkv", "ffv1", np.inf), ("a.y4m", None, 48), ("a.MP4", "libsvtav1", 29), ("a.m4v", "libx264", 30),
    ],
)  # fmt: skip
def test_round_trip(tmp_path: Path, name: str, codec: str | None, least: float) -> None:
    assert write(tmp_path / name, INFO, FRAMES, codec=codec) == (
        ["timestamps are rounded to the milliseconds of mkv and webm"] if name.endswith(("mkv", "webm")) else []
    )
    source, frames = read(tmp_path / name)
    assert len(frames) == 24 and psnr(FRAMES, frames) >= least
    assert os.listdir(tmp_path) == [name]
    unit = Fraction(1, 24) / source.info.time_base
    assert [frame.pts for frame in frames] == [round(unit * n) for n in range(24)]
    expected = Colour(1, 1, 0, True) if codec == "ffv1" else Colour(1, 1, 1)
    assert name.endswith("y4m") or source.info.colour == expected


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
def test_variable_times_and_the_last_duration_are_exact(tmp_path: Path, codec: str) -> None:
    durations = [*np.diff(VFR).tolist(), 4500]
    frames = [Frame(FRAMES[n].rgb, pts, durations[n]) for n, pts in enumerate(VFR)]
    assert write(tmp_path / "a.mp4", SinkInfo(96, 64, Fraction(1, 90000)), frames, codec=codec) == []
    source, back = read(tmp_path / "a.mp4")
    assert source.info.time_base == Fraction(1, 90000)
    assert [(frame.pts, frame.duration) for frame in back] == list(zip(VFR, durations))
    assert source.info.duration == pytest.approx(37503 / 90000)


def test_a_late_beginning(tmp_path: Path) -> None:
    frames = [Frame(frame.rgb, 126000 + 3600 * n, 3600) for n, frame in enumerate(FRAMES)]
    for name in ("a.mp4", "a.mkv"):
        write(tmp_path / name, SinkInfo(96, 64, Fraction(1, 90000), Fraction(25)), frames)
        source, back = read(tmp_path / name)
        assert [frame.pts * source.info.time_base for frame in back] == [Fraction(frame.pts, 90000) for frame in frames]


@pytest.mark.parametrize("size", [(63, 47), (17, 33), (96, 63)])
@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mp4", "libx265"), ("a.webm", "libvpx-vp9"), ("a.mkv", "ffv1"), ("a.y4m", None)],
)
def test_odd_sizes(tmp_path: Path, size: tuple[int, int], name: str, codec: str | None) -> None:
    if codec == "libx265" and min(size) < 32:
        pytest.skip("x265 codes nothing this small")
    flat = np.full((size[1], size[0], 3), (200, 40, 90), np.uint8)
    write(tmp_path / name, SinkInfo(*size, Fraction(1, 24), Fraction(24)), numbered([flat] * 3), codec=codec)
    source, frames = read(tmp_path / name)
    assert (source.info.width, source.info.height) == size
    assert np.abs(frames[0].rgb.astype(int) - flat).max() <= 4


@pytest.mark.parametrize(
    "colour", [Colour(1, 1, 1, True), Colour(5, 6, 5), Colour(9, 16, 9), Colour(2, 2, 6, guessed=True)]
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_colour_tags(tmp_path: Path, colour: Colour, name: str) -> None:
    write(tmp_path / name, SinkInfo(64, 48, Fraction(1, 25), Fraction(25), colour), numbered([quadrants()] * 2))
    source, frames = read(tmp_path / name)
    got = source.info.colour
    assert (got.primaries, got.transfer, got.matrix, got.full_range) == (
        colour.primaries, colour.transfer, colour.matrix, colour.full_range,
    )  # fmt: skip
    assert np.abs(frames[0].rgb[8:16, 8:16].astype(int) - (200, 40, 90)).max() <= 4


def test_rgb_sources_become_video_that_players_show_right(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", SinkInfo(64, 48, Fraction(1, 25), colour=Colour(1, 13, 0, True)), numbered([quadrants()]))
    assert read(tmp_path / "a.mp4")[0].info.colour == Colour(1, 13, 6)


def test_aspect_and_tags(tmp_path: Path) -> None:
    tags = {"title": "A hill", "encoder": "of the source", "major_brand": "isom"}
    info = SinkInfo(96, 64, Fraction(1, 24), Fraction(24), sar=Fraction(4, 3), tags=tags)
    for name in ("a.mp4", "a.mkv", "a.webm", "a.y4m"):
        told = write(tmp_path / name, info, FRAMES)
        back = read(tmp_path / name)[0].info
        assert back.sar == Fraction(4, 3) or any("aspect" in text for text in told)
        assert name == "a.y4m" or back.tags["title"] == "A hill"
        assert back.tags.get("encoder", "") != "of the source"


def test_npy(tmp_path: Path) -> None:
    write(tmp_path / "a.npy", INFO, FRAMES)
    array = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert array.dtype == np.uint8 and np.array_equal(array, [frame.rgb for frame in FRAMES])
    write(tmp_path / "none.npy", INFO, [])
    assert np.load(tmp_path / "none.npy").shape == (0, 64, 96, 3)


@pytest.mark.parametrize("name", ["pictures", "pictures.d/"])
def test_png(tmp_path: Path, name: str) -> None:
    for count in (24, 3):  # the second time over the first
        write(f"{tmp_path}/{name}", INFO, FRAMES[:count])
        folder = tmp_path / name
        assert sorted(os.listdir(folder)) == [f"{n:06}.png" for n in range(count)]
        assert os.listdir(tmp_path) == [folder.name]
    with open_source(folder / "000002.png") as picture:
        assert np.array_equal(next(picture.frames()).rgb, FRAMES[2].rgb)


def test_a_folder_with_other_things_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match=r"letter\.txt"):
        open_sink(tmp_path / "home", INFO)
    assert os.listdir(tmp_path) == ["home"]


def test_warnings_about_what_cannot_be_kept(tmp_path: Path) -> None:
    frames = [Frame(FRAMES[n].rgb, pts, length) for n, (pts, length) in enumerate([(0, 5), (5, 9), (14, 5), (19, 5)])]
    for name in ("a.y4m", "a.npy", "pictures"):
        told = write(tmp_path / name, INFO, frames, audio=io.BytesIO(b"x"))
        assert any("no sound" in text for text in told) and any("variable" in text for text in told)
        # Milliseconds of 30 fps are no variable rate, nor is a guessed last duration.
        frames33 = [Frame(frame.rgb, 0, length) for frame, length in zip(FRAMES, (33, 33, 34, 33, 500))]
        assert write(tmp_path / name, INFO, frames33) == []


def test_standard_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise OSError(errno.ESPIPE, "a pipe")

    class Stdout:
        buffer = Pipe()

    for kind in ("mkv", "y4m"):
        Stdout.buffer = Pipe()
        monkeypatch.setattr("sys.stdout", Stdout)
        with open_sink("-", INFO, kind=kind) as sink:
            for frame in FRAMES:
                sink.write(frame.rgb, frame.pts, frame.duration)
        (tmp_path / "a").write_bytes(Stdout.buffer.getvalue())
        assert len(read(tmp_path / "a")[1]) == 24
    for kind in ("npy", "png"):
        with pytest.raises(UsageError, match="pipe"):
            open_sink("-", INFO, kind=kind)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.y4m", "a.npy", "pictures"])
def test_nothing_is_left_when_it_fails(tmp_path: Path, name: str) -> None:
    for stop in (KeyboardInterrupt, ValueError):
        with pytest.raises(stop), open_sink(tmp_path / name, INFO) as sink:
            sink.write(FRAMES[0].rgb, 0, 1)
            raise stop
        assert os.listdir(tmp_path) == []
    # What was there before stays.
    write(tmp_path / name, INFO, FRAMES[:2])
    before = read(tmp_path / name)[1] if name[0] == "a" and name != "a.npy" else None
    with pytest.raises(ValueError, match="expected"), open_sink(tmp_path / name, INFO) as sink:
        sink.write(FRAMES[0].rgb[:-1], 0, 1)
    assert os.listdir(tmp_path) == [name]
    assert before is None or len(read(tmp_path / name)[1]) == 2


def _full_disk(limit: int) -> Callable[..., Any]:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            if self.tell() + len(data) > limit:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data) or 0

    return lambda path, mode: Full(path, mode)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.y4m", "a.npy"])
@pytest.mark.parametrize("limit", [0, 20, 3000, 12000])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int) -> None:
    monkeypatch.setattr("vtc.media.output.open", _full_disk(limit), raising=False)
    with pytest.raises(OutputError, match="disk is full"):
        write(tmp_path / name, INFO, FRAMES)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("name", "options", "words"), [
    ("a.foo", {}, "unknown kind"), ("a.webm", {"codec": "ffv1"}, "cannot hold"), ("a.mp4", {"codec": "h26x"}, "unknown codec"),
    ("a.mp4", {"crf": 52}, "out of range"), ("a.webm", {"crf": -1}, "out of range"), ("a.npy", {"codec": "libx264"}, "does not apply"),
])  # fmt: skip
def test_wrong_usage(tmp_path: Path, name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_sink(tmp_path / name, INFO, **options)
    assert os.listdir(tmp_path) == []


def test_targets_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        open_sink(tmp_path / "none" / "a.mp4", INFO)
    with pytest.raises(OutputError, match="folder"):
        (tmp_path / "a.mp4").mkdir()
        open_sink(tmp_path / "a.mp4", INFO)
    with pytest.raises(OutputError, match="is a file"):
        (tmp_path / "pictures").write_text("")
        open_sink(tmp_path / "pictures", INFO)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="may not be written"):
        open_sink(tmp_path / "a.mp4", INFO)


def test_closing_and_aborting_twice(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "a.mp4", INFO)
    sink.write(FRAMES[0].rgb, 0, 1)
    sink.close()
    sink.close()
    sink.abort()
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_encoders_are_those_of_the_ending(tmp_path: Path) -> None:
    for name, codec in (("a.mp4", "h264"), ("a.webm", "vp9"), ("a.mkv", "h264")):
        write(tmp_path / name, INFO, FRAMES[:3])
        with av.open(str(tmp_path / name)) as file:
            assert file.streams.video[0].codec_context.codec.canonical_name == codec
