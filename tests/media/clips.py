"""Small clips made with FFmpeg at test time, and pictures whose right colours are known."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vtc.media import Colour, Frame, SinkInfo, VideoSource, open_sink, open_source
from vtc.media.colour import usual_matrix
from vtc.media.convert import FromRgb

UNTAGGED = Colour()
TICKS = Fraction(1, 90000)


def quadrants(width: int = 64, height: int = 48) -> np.ndarray:
    """Four colours, one a corner, so that every way of turning can be told."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = (200, 40, 90), (30, 180, 60)
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = (40, 60, 210), (220, 210, 30)
    return picture


def make(
    path: Path,
    pictures: list[np.ndarray],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    colour: Colour = UNTAGGED,
    pts: list[int] | None = None,
    rotation: int = 0,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    sar: Fraction = Fraction(1),
) -> Path:
    """Writes pictures uint8 [H, W, 3] at 25 fps or at `pts` (1/90000 s), nearly without loss."""
    height, width = pictures[0].shape[:2]
    matrix = colour.matrix if colour.matrix != 2 else usual_matrix(height)
    convert = FromRgb(width, height, pixels, replace(colour, matrix=matrix))
    with av.open(str(path), "w", options=container or {}) as file:
        options = {"qp": "0"} if options is None and codec == "libx264" else options or {}
        stream = file.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        context = stream.codec_context
        ticks = Fraction(1, 25) if codec == "mpeg4" else TICKS  # MPEG-4 counts in 16 bits
        context.time_base = stream.time_base = ticks
        context.sample_aspect_ratio = sar
        context.colorspace, context.color_range = colour.matrix, 2 if colour.full_range else 1
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        if rotation:
            stream.set_display_rotation(rotation)
        for number, picture in enumerate(pictures):
            frame = convert(picture)
            frame.pts, frame.time_base = pts[number] if pts else number * (1 / ticks // 25), ticks
            frame.colorspace = colour.matrix
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def make_sound(
    path: Path, pictures: list[np.ndarray], codec: str, rate: int, *, tracks: int = 1, video: str = "libx264"
) -> Path:
    """Writes pictures at 24 fps with noise as long as they are."""
    height, width = pictures[0].shape[:2]
    noise = np.random.default_rng(0).normal(0, 0.1, (2, rate * len(pictures) // 24)).astype(np.float32)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(video, rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        voices: list[Any] = [file.add_stream(codec, rate=rate, layout="stereo") for _ in range(tracks)]
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        file.mux(stream.encode())
        for voice in voices:
            context = voice.codec_context
            resampler = av.AudioResampler(context.format.name, "stereo", rate, context.frame_size or 1024)
            frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="stereo")
            frame.rate, frame.pts = rate, 0
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                file.mux(voice.encode(part))
            file.mux(voice.encode())
    return path


def read(path: Path | str, **options: Any) -> tuple[VideoSource, list[Frame]]:
    """A closed source and all of its frames."""
    with open_source(path, **options) as source:
        return source, list(source.frames())


def write(path: Path | str, info: SinkInfo, frames: list[Frame], **options: Any) -> list[str]:
    """Writes frames; gives the warnings."""
    with open_sink(path, info, **options) as sink:
        for frame in frames:
            sink.write(frame.rgb, frame.pts, frame.duration)
    return sink.warnings


def numbered(pictures: list[np.ndarray]) -> list[Frame]:
    """Frames of one tick each."""
    return [Frame(picture, number, 1) for number, picture in enumerate(pictures)]


def sampled(
    width: int, height: int, kr: float, kb: float, *, full: bool = False, depth: int = 8, place: str = "left"
) -> tuple[np.ndarray, list[np.ndarray]]:
    """A smooth picture: its true RGB [H, W, 3] in [0, 1], and its Y, Cb, Cr planes in 4:2:0, rounded to `depth` bits."""

    def chroma(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 0.15 * np.sin(x / 9 + 0.3) * np.cos(y / 11), 0.15 * np.cos(x / 8 + y / 13)

    y, x = np.mgrid[0:height, 0:width].astype(float)
    luma = 0.5 + 0.15 * np.sin(x / 3 + y / 5)
    blue, red = chroma(x, y)
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    rgb = np.stack([r, (luma - kr * r - kb * b) / (1 - kr - kb), b], -1)
    y, x = np.mgrid[0 : (height + 1) // 2, 0 : (width + 1) // 2].astype(float)
    blue, red = chroma(2 * x + (0.5 if place == "center" else 0), 2 * y + 0.5)
    step, top = 2 ** (depth - 8), 2**depth - 1
    black, span, chroma_span = (0, top, top) if full else (16 * step, 219 * step, 224 * step)
    kind = np.uint8 if depth == 8 else np.uint16
    planes = [luma * span + black, blue * chroma_span + 128 * step, red * chroma_span + 128 * step]
    return rgb, [np.rint(plane).astype(kind) for plane in planes]


def from_planes(planes: list[np.ndarray], pixels: str, matrix: int, full: bool) -> av.VideoFrame:
    """A frame with these planes."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixels)
    for plane, values in zip(frame.planes, planes):
        rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
        rows[:, : values.shape[1]] = values
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame
