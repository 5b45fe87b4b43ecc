"""Reading: what a file says is what comes out."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.clips import make, make_sound, quadrants, read
from vtc.errors import MediaError, UsageError
from vtc.media import Colour, open_source, render_scene
from vtc.media.colour import usual_matrix

FRAMES = list(render_scene(96, 64, 48))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 frames of 96x64 at 25 fps, tagged, with key frames every ten."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return make(path, FRAMES, colour=Colour(1, 1, 1), options={"qp": "0", "g": "10"})


def test_info_and_frames(clip: Path) -> None:
    source, frames = read(clip)
    info = source.info
    assert (info.width, info.height, info.source_width, info.source_height) == (96, 64, 96, 64)
    assert (info.frame_rate, info.frame_estimate, info.bit_depth, info.has_audio) == (25, 48, 8, False)
    assert (info.time_base, info.sar, info.rotation) == (Fraction(1, 90000), 1, 0)
    assert info.duration == pytest.approx(48 / 25)
    assert [frame.pts for frame in frames] == [3600 * n for n in range(48)]
    assert {frame.duration for frame in frames} == {3600}
    assert source.warnings == []
    error = np.mean([np.square(a.rgb.astype(float) - b).mean() for a, b in zip(frames, FRAMES)])
    assert 10 * np.log10(255**2 / error) > 30  # the flowers lose chroma


def test_variable_frame_rate_is_exact(tmp_path: Path) -> None:
    pts = [0, 3000, 6000, 12000, 15000, 30000, 33003]
    _, frames = read(make(tmp_path / "vfr.mp4", FRAMES[:7], pts=pts))
    assert [frame.pts for frame in frames] == pts
    assert [frame.duration for frame in frames][:-1] == list(np.diff(pts))


def test_a_late_beginning_is_kept(tmp_path: Path) -> None:
    pts = [126000 + 3600 * n for n in range(5)]
    _, frames = read(make(tmp_path / "late.ts", FRAMES[:5], pts=pts))
    assert [frame.pts - frames[0].pts for frame in frames] == [3600 * n for n in range(5)] and frames[0].pts > 0


@pytest.mark.parametrize(("degrees", "clockwise"), [(90, 270), (-90, 90), (180, 180)])
def test_rotation_is_applied(tmp_path: Path, degrees: int, clockwise: int) -> None:
    source, frames = read(make(tmp_path / "turned.mp4", [quadrants()] * 2, rotation=degrees, sar=Fraction(4, 3)))
    right = np.rot90(quadrants(), degrees // 90)
    height, width = right.shape[:2]
    assert (source.info.rotation, source.info.width, source.info.height) == (clockwise, width, height)
    assert source.info.sar == (Fraction(4, 3) if degrees == 180 else Fraction(3, 4))
    for y in (8, height - 8):
        for x in (8, width - 8):
            assert np.abs(frames[0].rgb[y, x].astype(int) - right[y, x]).max() <= 2


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv422p10le", "gbrp10le", "gray10le", "yuv420p"])
def test_ten_bits_come_as_sixteen(tmp_path: Path, pixels: str) -> None:
    source, frames = read(make(tmp_path / "deep.mkv", [quadrants()] * 2, codec="ffv1", pixels=pixels))
    deep = pixels != "yuv420p"
    assert source.info.bit_depth == (10 if deep else 8)
    assert frames[0].rgb.dtype == (np.uint16 if deep else np.uint8)
    seen = frames[0].rgb[8, 8] / np.iinfo(frames[0].rgb.dtype).max * 255
    # Grey is of the luma that the players' rule gives this height.
    grey = quadrants()[8, 8] @ np.array([0.299, 0.587, 0.114])
    assert np.abs(seen - (grey if "gray" in pixels else quadrants()[8, 8])).max() < 1.5
    assert usual_matrix(48) == 6


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "bgr0"])
@pytest.mark.parametrize("size", [(63, 47), (1, 1), (17, 2)])
def test_odd_sizes(tmp_path: Path, pixels: str, size: tuple[int, int]) -> None:
    flat = np.full((size[1], size[0], 3), (200, 40, 90), np.uint8)
    source, frames = read(make(tmp_path / "odd.mkv", [flat], codec="ffv1", pixels=pixels))
    assert (source.info.width, source.info.height) == size
    seen = frames[0].rgb / np.iinfo(frames[0].rgb.dtype).max * 255
    assert np.abs(seen - flat).max() <= 2


@pytest.mark.parametrize(("codec", "pixels", "name"), [
    ("mjpeg", "yuvj420p", "a.avi"), ("gif", "rgb8", "a.gif"), ("png", "rgb24", "a.png"), ("mpeg4", "yuv420p", "a.avi"),
    ("libvpx-vp9", "yuv420p", "a.webm"), ("libsvtav1", "yuv420p", "a.mkv"), ("rawvideo", "uyvy422", "a.nut"),
    ("ffv1", "gray", "a.mkv"), ("ffv1", "yuva420p", "a.mkv"), ("libx265", "yuv420p", "a.mp4"), ("prores_ks", "yuv422p10le", "a.mov"),
])  # fmt: skip
def test_other_formats(tmp_path: Path, codec: str, pixels: str, name: str) -> None:
    count = 1 if name.endswith("png") else 3
    colour = Colour(matrix=6, full_range=True) if codec == "mjpeg" else Colour()
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = make(
        tmp_path / name, [quadrants(96, 64)] * count, codec=codec, pixels=pixels, colour=colour, options=options
    )
    source, frames = read(path)
    assert len(frames) == count and frames[0].rgb.shape == (64, 96, 3)
    if pixels == "gray":
        assert np.ptp(frames[0].rgb, axis=-1).max() == 0
    elif codec != "gif":
        seen = frames[0].rgb / np.iinfo(frames[0].rgb.dtype).max * 255
        assert np.abs(seen[6:26, 6:42].mean((0, 1)) - (200, 40, 90)).max() < 12
    assert ("transparency is left out" in source.warnings) == (pixels == "yuva420p" or codec == "gif")


def test_part_of_a_video(clip: Path) -> None:
    _, whole = read(clip)
    source, part = read(clip, start=0.5, end=1.1)
    kept = [frame for frame in whole if 0.5 <= frame.pts / 90000 < 1.1]
    assert [frame.pts for frame in part] == [frame.pts - 45000 for frame in kept]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(part, kept))
    assert source.info.duration == pytest.approx(0.6) and source.info.frame_estimate == 15
    assert part[-1].pts + part[-1].duration <= 54000
    assert [frame.pts for frame in read(clip, end=0.2)[1]] == [3600 * n for n in range(5)]


@pytest.mark.parametrize("start", [0.04, 0.39, 0.4, 0.41, 1.8])
def test_seeking_lands_on_the_right_frame(clip: Path, start: float) -> None:
    _, whole = read(clip)
    _, part = read(clip, start=start)
    first = next(frame for frame in whole if frame.pts >= start * 90000)
    assert np.array_equal(part[0].rgb, first.rgb)


@pytest.mark.parametrize("fps", [5, 12.5, 24, 29.97, 50, Fraction(60000, 1001)])
def test_constant_rate(clip: Path, fps: float) -> None:
    source, frames = read(clip, fps=fps)
    rate = source.info.frame_rate
    assert rate is not None and float(rate) == pytest.approx(float(fps), abs=0.001)
    assert source.info.time_base == 1 / rate
    assert [frame.pts for frame in frames] == list(range(len(frames)))
    assert abs(len(frames) / rate - Fraction(48, 25)) <= 1 / rate
    assert source.info.frame_estimate is not None and abs(source.info.frame_estimate - len(frames)) <= 1


@pytest.mark.parametrize(
    ("size", "expected"),
    [(32, (48, 32)), (128, (192, 128)), ((50, 40), (50, 40)), (33, (50, 33)), ((96, 64), (96, 64))],
)
def test_resizing_keeps_the_shape_on_screen(clip: Path, size: tuple[int, int] | int, expected: tuple[int, int]) -> None:
    source, frames = read(clip, size=size, end=0.1)
    info = source.info
    assert (info.width, info.height) == expected and frames[0].rgb.shape == (*expected[::-1], 3)
    assert info.sar * Fraction(*expected) == Fraction(96, 64)
    assert (info.source_width, info.source_height) == (96, 64)


def test_resizing_after_turning_and_of_odd_sizes(tmp_path: Path) -> None:
    source, frames = read(make(tmp_path / "a.mp4", [quadrants()], rotation=-90), size=24)
    assert (source.info.width, source.info.height) == (24, 32) and frames[0].rgb.shape == (32, 24, 3)
    flat = np.full((47, 63, 3), (200, 40, 90), np.uint8)
    _, frames = read(make(tmp_path / "a.mkv", [flat], codec="ffv1"), size=(30, 20))
    assert np.abs(frames[0].rgb.astype(int) - (200, 40, 90)).max() <= 2


def test_deterministic_whatever_the_threads(clip: Path) -> None:
    one, many = read(clip, threads=1)[1], read(clip, threads=4)[1]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(one, many))


def test_standard_input(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self._file = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            return self._file.readinto(buffer)

    class Stdin:
        def __init__(self, path: Path) -> None:
            self.buffer = Pipe(path.read_bytes())

    stream = make(tmp_path / "a.mkv", FRAMES[:20])
    monkeypatch.setattr("sys.stdin", Stdin(stream))
    _, frames = read("-", start=0.2)
    assert [frame.pts for frame in frames] == [40 * n for n in range(15)]
    monkeypatch.setattr("sys.stdin", Stdin(clip))  # its index is at the end
    with pytest.raises(MediaError, match="pipe"):
        read("-")


def test_frames_once_and_closing_twice(clip: Path) -> None:
    with open_source(clip) as source:
        next(source.frames())
        with pytest.raises(RuntimeError):
            next(source.frames())
    source.close()


def test_tags(tmp_path: Path) -> None:
    path = tmp_path / "tagged.mkv"
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "Ein Fluß"
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height = 96, 64
        file.mux(stream.encode(av.VideoFrame.from_ndarray(FRAMES[0])))
        file.mux(stream.encode())
    assert read(path)[0].info.tags["title"] == "Ein Fluß"


# What cannot be read


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.mp4", None, "does not exist"),
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"hello world\n" * 50, "text file"),
        ("text.txt", b"hello world\n" * 50, "text file"),
        ("words.srt", b"1\n00:00:01,000 --> 00:00:02,000\nhi\n", "no video"),
        ("noise.mkv", bytes(range(256)) * 20, "not a video"),
        ("coded.vtc", b"\x89VTC\r\n\x1a\n" + b"x" * 99, "vtc decode"),
    ],
)
def test_bad_input_is_one_line_with_a_next_step(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=words) as caught:
        open_source(tmp_path / name)
    assert caught.value.hint and "\n" not in str(caught.value)


def test_folder_and_sound_only(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="folder"):
        open_source(tmp_path)
    with av.open(str(tmp_path / "a.wav"), "w") as file:
        voice = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.rate = 8000
        file.mux(voice.encode(frame))
    with pytest.raises(MediaError, match="sound only"):
        open_source(tmp_path / "a.wav")


def test_truncated_files(tmp_path: Path, clip: Path) -> None:
    data = clip.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match="cut short"):
        open_source(tmp_path / "cut.mp4")
    for name, container in (("a.mp4", {"movflags": "faststart"}), ("a.mkv", {})):
        data = make(tmp_path / name, FRAMES, container=container).read_bytes()
        (tmp_path / f"cut_{name}").write_bytes(data[: len(data) // 2])
        source, frames = read(tmp_path / f"cut_{name}")
        assert 5 < len(frames) < 48
        assert any("ends early" in warning for warning in source.warnings)


def test_sound_longer_than_the_picture_is_no_truncation(tmp_path: Path) -> None:
    with av.open(str(make_sound(tmp_path / "a.mkv", FRAMES, "flac", 8000))) as long:
        packets = [packet for packet in long.demux() if packet.size]
        with av.open(str(tmp_path / "b.mkv"), "w") as file:
            copies = {s.index: file.add_stream_from_template(s) for s in long.streams}
            for packet in packets:
                if packet.stream.type == "video" and packet.time_base * packet.pts > 0.5:
                    continue
                packet.stream = copies[packet.stream.index]
                file.mux(packet)
    source, frames = read(tmp_path / "b.mkv")
    assert len(frames) < 15 and not any("early" in warning for warning in source.warnings)


def test_damage_in_the_middle_is_survived_and_told(tmp_path: Path) -> None:
    data = bytearray(make(tmp_path / "a.mp4", FRAMES, options={"crf": "20", "g": "6"}).read_bytes())
    for at in range(len(data) // 4, len(data) // 2):
        data[at] ^= 0x5A
    (tmp_path / "b.mp4").write_bytes(data)
    source, frames = read(tmp_path / "b.mp4")
    assert len(frames) > 10
    assert any("damaged" in warning for warning in source.warnings)


@pytest.mark.parametrize("options", [
    {"start": -1}, {"end": 0}, {"start": 2, "end": 1}, {"fps": 0}, {"fps": 5000}, {"size": 0}, {"size": (10, 0)}, {"size": 99999},
])  # fmt: skip
def test_options_out_of_range(clip: Path, options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        open_source(clip, **options)  # type: ignore[arg-type]


def test_a_range_behind_the_end(clip: Path) -> None:
    with pytest.raises(MediaError, match=r"1\.92 s"):
        open_source(clip, start=9)
