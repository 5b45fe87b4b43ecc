"""Video out, by the ending of its name: mp4, mov, mkv, webm, y4m, npy, or a folder of png.

    info = SinkInfo(width=320, height=240, time_base=Fraction(1, 90000))
    with open_sink("out.mp4", info) as sink:
        sink.write(rgb, pts=0, duration=3600)

The output appears when it is complete; an error inside `with` leaves nothing behind.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from vtc.errors import UsageError
from vtc.media.colour import Colour

CONTAINERS = {"mp4": "mp4", "m4v": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm"}
"""FFmpeg's name of the container for each ending that takes a codec."""


@dataclass(frozen=True)
class SinkInfo:
    """What is to be written. `time_base`: seconds per tick of pts; `frame_rate`: nominal, None for variable; `sar`: aspect of a pixel.

    `colour`: what the file is tagged with; RGB or an unknown matrix becomes the one that players assume for the height.
    """

    width: int
    height: int
    time_base: Fraction
    frame_rate: Fraction | None = None
    colour: Colour = Colour()  # noqa: RUF009 - frozen
    sar: Fraction = Fraction(1)
    tags: dict[str, str] = field(default_factory=dict)


class VideoSink(ABC):
    """An output that takes frames in the order of their timestamps. Made by `open_sink`; a context manager."""

    def __init__(self, info: SinkInfo) -> None:
        self.info = info
        self.warnings: list[str] = []
        self._done = False
        self._told = False
        self._durations: set[int] = set()

    @abstractmethod
    def write(self, rgb: npt.NDArray[np.uint8], pts: int, duration: int) -> None:
        """Takes a picture uint8 [H, W, 3] of the size in `info`, its time and duration in ticks of `info.time_base`.

        Raises `OutputError`, for example when the disk is full.
        """

    @abstractmethod
    def _finish(self) -> None:
        """Writes the end and gives the output its name."""

    @abstractmethod
    def _discard(self) -> None:
        """Removes everything."""

    def close(self) -> None:
        """Completes the output. Raises `OutputError`, and then leaves nothing behind."""
        if self._done:
            return
        try:
            self._finish()
        except BaseException:
            self.abort()
            raise
        self._done = True

    def abort(self) -> None:
        """Gives up: nothing is left. Harmless after `close`."""
        if not self._done:
            self._done = True
            self._discard()

    def _without_times(self, kind: str, duration: int) -> None:
        """Warns once when durations differ, by more than rounding, that this kind of output cannot hold."""
        spread = max(self._durations, default=0) - min(self._durations, default=0)
        if spread > 1 and not self._told:
            self._told = True
            self.warnings.append(f"{kind} holds no timestamps: the variable frame rate is lost")
        # Looked at only when the next frame comes: the last one's duration is often a guess.
        self._durations.add(duration)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def open_sink(
    path: str | Path,
    info: SinkInfo,
    *,
    codec: str | None = None,
    crf: int = 12,
    audio: BinaryIO | None = None,
    audio_start: float = 0.0,
    audio_end: float | None = None,
    kind: str | None = None,
    threads: int = 0,
) -> VideoSink:
    """Opens an output; what exists there is replaced when the new one is complete.

    `path`: its ending decides; without one, or with "/" at the end, it is a folder of png; `-` is standard output, as `kind`
    ("mkv", the default there, or "y4m"). `kind`: overrides the ending. `codec`: FFmpeg's name of the encoder (libx264, libx265,
    libsvtav1, libvpx-vp9, ffv1); default libx264, in webm libvpx-vp9. `crf`: its constant quality, lower is better.
    `audio`: the NUT stream of an `AudioCopy`, read as needed; `audio_start`, `audio_end`: the seconds of it to copy.
    Raises `UsageError` for an ending or codec that is not known, `OutputError` where nothing can be written.
    """
    from vtc.media.encoded import EncodedSink
    from vtc.media.plain import NpySink, PngSink, Y4mSink

    kind = kind or _kind(path)
    if kind in CONTAINERS:
        return EncodedSink(path, kind, info, codec, crf, audio, audio_start, audio_end, threads)
    plain: dict[str, type[VideoSink]] = {"y4m": Y4mSink, "npy": NpySink, "png": PngSink}
    if kind not in plain:
        raise UsageError(f"unknown kind of output '.{kind}'", "use mp4, mov, mkv, webm, y4m, npy or a folder for png")
    if codec is not None:
        raise UsageError(f"--codec does not apply to {kind}", "leave it out, or write mp4, mkv or webm")
    sink: VideoSink = plain[kind](path, info)  # type: ignore[call-arg, arg-type]
    if audio is not None:
        sink.warnings.append(f"{kind} holds no sound: left out")
    return sink


def _kind(path: str | Path) -> str:
    if str(path) == "-":
        return "mkv"
    name = str(path)
    return "png" if name.endswith(("/", "\\")) else Path(name).suffix.lower().lstrip(".") or "png"
