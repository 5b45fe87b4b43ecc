"""Pictures through one of FFmpeg's encoders with all options in the caller's hand, as anchors of measurements need it.

(`open_sink` writes videos for looking at: fast, with timestamps and sound.)
"""

import os
from collections.abc import Iterable
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

from vtc.errors import MediaError
from vtc.media.colour import usual_matrix
from vtc.media.planes import PIXELS, ToPlanes
from vtc.media.priority import usual_priority
from vtc.media.probe import error_text


def encode_mp4(
    pictures: Iterable[npt.NDArray[np.uint8]], path: Path, encoder: str, options: dict[str, str], rate: Fraction
) -> int:
    """Codes pictures uint8 [H, W, 3] of one even size into an mp4, 8-bit 4:2:0, in one thread, and returns their number.

    `encoder`: FFmpeg's name of it; `options`: its options, nothing is added to them. `rate`: frames a second. Raises `MediaError`.
    """
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 prints to stderr past FFmpeg's logging
    count = 0
    try:
        with av.open(str(path), "w", format="mp4") as file:
            for picture in pictures:
                if count == 0:
                    height, width = picture.shape[:2]
                    convert = ToPlanes(width, height)
                    stream: Any = file.add_stream(encoder, rate=rate, options=options)
                    stream.width, stream.height, stream.pix_fmt = width, height, PIXELS
                    context = stream.codec_context
                    context.time_base = stream.time_base = 1 / rate
                    # Slices, PyAV's way to use several threads, would cost x264 3 to 11 % of bytes.
                    context.thread_count, context.thread_type = 1, "FRAME"
                    context.colorspace, context.color_range = usual_matrix(height), 1
                frame = convert.frame(picture)
                frame.pts, frame.time_base, frame.duration = count, 1 / rate, 1
                with usual_priority():
                    packets = stream.encode(frame)
                file.mux(packets)
                count += 1
            if count == 0:
                raise MediaError("there are no pictures to code")
            file.mux(stream.encode(None))
    except (av.error.FFmpegError, ValueError) as problem:
        raise MediaError(f"{encoder} failed: {error_text(problem)}", "check its options") from problem
    return count


def libraries() -> str:
    """The libraries that code here, with their versions: they decide about the bytes."""
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"PyAV {version('av')}, libavcodec {codec}"


def has_encoder(name: str) -> bool:
    """Whether FFmpeg was built with an encoder."""
    try:
        av.Codec(name, "w")
    except (av.error.FFmpegError, ValueError):
        return False
    return True
