"""Sound: the very packets, at their very times."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.media.clips import make_sound, read
from vtc.errors import DamageError
from vtc.media import AudioCopy, Frame, SinkInfo, SourceInfo, open_sink, open_source, render_scene
from vtc.media.audio import SHIFT

FRAMES = list(render_scene(64, 48, 48))


class Reading:
    """A file that can only be read, as from a `.vtc` file piece by piece."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, 1000))


def packets(path: Path, track: int = 0) -> list[tuple[bytes, Fraction]]:
    """Bytes and seconds of the packets of a track."""
    with av.open(str(path)) as file:
        stream = file.streams.audio[track]
        return [(bytes(p), p.pts * Fraction(p.time_base)) for p in file.demux(stream) if p.size and p.pts is not None]


def nut(path: Path, **options: Any) -> tuple[list[bytes], list[Frame], SourceInfo, list[str]]:
    """The sound of a source in pieces of eight frames, its frames, info and warnings."""
    with open_source(path, **options) as source:
        audio = AudioCopy(source)
        pieces, frames = [], []
        for frame in source.frames():
            frames.append(frame)
            if len(frames) % 8 == 0:
                pieces.append(audio.pieces(float((frame.pts + frame.duration) * source.info.time_base)))
        pieces.append(audio.close())
        assert audio.close() == b"" and audio.pieces() == b""
        return pieces, frames, source.info, source.warnings


def copy(source: Path, target: Path, start: float | None = None, end: float | None = None, **options: Any) -> list[str]:
    pieces, frames, info, _ = nut(source, start=start, end=end)
    out = SinkInfo(info.width, info.height, info.time_base, info.frame_rate, info.colour)
    with open_sink(target, out, audio=Reading(b"".join(pieces)), **options) as sink:  # type: ignore[arg-type]
        for frame in frames:
            sink.write(frame.rgb, frame.pts, frame.duration)
    return sink.warnings


@pytest.mark.parametrize(
    ("name", "codec", "rate", "target"),
    [
        ("a.mp4", "aac", 44100, "b.mp4"), ("a.mp4", "aac", 48000, "b.mov"), ("a.mp4", "libmp3lame", 44100, "b.mp4"),
        ("a.mkv", "libopus", 48000, "b.mp4"), ("a.mkv", "ac3", 48000, "b.mp4"), ("a.mkv", "eac3", 48000, "b.mp4"),
        ("a.mov", "pcm_s16le", 48000, "b.mov"), ("a.mov", "pcm_s16le", 44100, "b.mp4"), ("a.mp4", "flac", 44100, "b.mp4"),
    ],
)  # fmt: skip
def test_packets_and_times_are_untouched(tmp_path: Path, name: str, codec: str, rate: int, target: str) -> None:
    make_sound(tmp_path / name, FRAMES, codec, rate)
    assert copy(tmp_path / name, tmp_path / target) == []
    before, after = packets(tmp_path / name), packets(tmp_path / target)
    assert len(before) > 10 and before == after


@pytest.mark.parametrize(("codec", "rate"), [("aac", 44100), ("flac", 44100), ("libopus", 48000)])
def test_matroska_rounds_to_a_millisecond_and_moves_no_picture(tmp_path: Path, codec: str, rate: int) -> None:
    make_sound(tmp_path / "a.mp4", FRAMES, codec, rate)
    copy(tmp_path / "a.mp4", tmp_path / "b.mkv")
    before, after = packets(tmp_path / "a.mp4"), packets(tmp_path / "b.mkv")
    assert [data for data, _ in before] == [data for data, _ in after]
    assert max(abs(a[1] - b[1]) for a, b in zip(before, after)) <= Fraction(7, 1000 if codec == "libopus" else 10000)
    frames = read(tmp_path / "b.mkv")[1]
    assert all(abs(frame.pts - Fraction(1000 * n, 24)) <= Fraction(1, 2) for n, frame in enumerate(frames))


def test_all_tracks_and_their_channels(tmp_path: Path) -> None:
    make_sound(tmp_path / "a.mp4", FRAMES, "aac", 48000, tracks=2)
    copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    for track in (0, 1):
        assert packets(tmp_path / "a.mp4", track) == packets(tmp_path / "b.mp4", track)
    with av.open(str(tmp_path / "b.mp4")) as file:
        assert [stream.layout.name for stream in file.streams.audio] == ["stereo", "stereo"]


def test_pieces_keep_time_with_the_frames_and_do_not_depend_on_the_clock(tmp_path: Path) -> None:
    make_sound(tmp_path / "a.mp4", FRAMES, "aac", 48000)
    pieces, *_ = nut(tmp_path / "a.mp4")
    assert pieces == nut(tmp_path / "a.mp4")[0]
    assert b"".join(pieces).startswith(b"nut/multimedia container") and len(pieces) == 7
    assert max(map(len, pieces)) < len(b"".join(pieces)) / 3
    raw = sum(len(data) for data, _ in packets(tmp_path / "a.mp4"))
    assert len(b"".join(pieces)) < raw * 1.05
    with av.open(io.BytesIO(b"".join(pieces))) as file:
        times = [p.pts * p.time_base - SHIFT for p in file.demux() if p.size]
    assert times == [time for _, time in packets(tmp_path / "a.mp4")]


@pytest.mark.parametrize(("start", "end"), [(0.5, 1.0), (0.0, 0.7), (1.9, None)])
def test_a_range_of_the_source(tmp_path: Path, start: float, end: float | None) -> None:
    make_sound(tmp_path / "a.mp4", FRAMES, "aac", 48000)
    copy(tmp_path / "a.mp4", tmp_path / "b.mp4", start, end)
    kept = [(d, t - Fraction(start)) for d, t in packets(tmp_path / "a.mp4") if start <= t and (end is None or t < end)]
    after = packets(tmp_path / "b.mp4")
    assert [data for data, _ in after] == [data for data, _ in kept]
    assert max(abs(a[1] - b[1]) for a, b in zip(kept, after)) <= Fraction(1, 48000)


def test_a_range_of_the_output(tmp_path: Path) -> None:
    make_sound(tmp_path / "a.mp4", FRAMES, "aac", 48000)
    copy(tmp_path / "a.mp4", tmp_path / "b.mp4", audio_start=0.5, audio_end=1.0)
    kept = [(data, time - Fraction(1, 2)) for data, time in packets(tmp_path / "a.mp4") if 0.5 <= time < 1]
    assert packets(tmp_path / "b.mp4") == kept


def test_a_track_that_the_container_cannot_hold_is_a_warning(tmp_path: Path) -> None:
    make_sound(tmp_path / "a.mp4", FRAMES, "aac", 48000)
    assert "sound in aac cannot go into webm: left out" in copy(tmp_path / "a.mp4", tmp_path / "b.webm")
    assert len(read(tmp_path / "b.webm")[1]) == 48


def test_no_sound_and_no_copy(tmp_path: Path) -> None:
    make_sound(tmp_path / "a.mp4", FRAMES, "aac", 48000, tracks=0)
    pieces, *_ = nut(tmp_path / "a.mp4")
    assert b"".join(pieces) == b""
    make_sound(tmp_path / "b.mp4", FRAMES, "aac", 48000)
    source, frames = read(tmp_path / "b.mp4")
    assert source.info.has_audio and len(frames) == 48


def test_damaged_sound(tmp_path: Path) -> None:
    make_sound(tmp_path / "a.mp4", FRAMES, "aac", 48000)
    data = bytearray(b"".join(nut(tmp_path / "a.mp4")[0]))
    info = SinkInfo(64, 48, Fraction(1, 24), Fraction(24))
    with pytest.raises(DamageError):
        open_sink(tmp_path / "b.mp4", info, audio=io.BytesIO(b"nonsense" * 100))
    # After a gap, NUT goes on at its next mark, which stands every 32 KiB.
    for change, least in ((data[: len(data) // 2], 30), (data[:3000] + data[5000:], 5)):
        with open_sink(tmp_path / "b.mp4", info, audio=io.BytesIO(bytes(change))) as sink:
            for number, picture in enumerate(FRAMES):
                sink.write(picture, number, 1)
        known = {packet for packet, _ in packets(tmp_path / "a.mp4")}
        assert sum(packet in known for packet, _ in packets(tmp_path / "b.mp4")) > least
        (tmp_path / "b.mp4").unlink()
