"""Encoding a video again and again until a target is met: on a sample of it first where it is long, then as a whole."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from vtc.codec.encoding import Encoding
from vtc.codec.fidelity import measure
from vtc.codec.model import Model
from vtc.codec.options import EncodeOptions
from vtc.codec.plan import default_group
from vtc.codec.result import EncodeResult, Progress
from vtc.codec.targets import ROUGH, Target, search
from vtc.container import Reader
from vtc.media import VideoSource, open_source

FIRST_QUALITY = 50.0
SPANS, SPAN_SEGMENTS = 4, 10
"""Parts of a video that are its sample, and the most segments of each: a group, where groups are no longer."""
WORTH = 5
"""A sample is worth its while in a video that is so many times as long."""
IN_MEMORY = 64 << 20
"""Bytes of a try that are not put on disk."""


@dataclass(frozen=True)
class Trial:
    """A try: its report, and the whole file, or none where only a sample was coded."""

    result: EncodeResult
    file: BinaryIO | None = None


def encode_to_target(
    source: str | Path, file: BinaryIO, model: Model, options: EncodeOptions, target: Target, progress: Progress | None
) -> EncodeResult:
    """Write into `file` the encode of `source` that meets `target`. Its report counts the PSNR in. TargetError when none does."""
    with _rereadable(source) as path:
        trials = _Trials(path, model, options, target, progress)
        first = FIRST_QUALITY
        if trials.spans:
            first = search(target, trials.sampled, first, ROUGH).result.quality
        found = search(target, trials.whole, first)
        assert found.file is not None
        result = found.result if target.of_psnr else trials.measured(found.result, found.file)
        found.file.seek(0)
        shutil.copyfileobj(found.file, file)
    return result


class _Trials:
    def __init__(
        self, path: str | Path, model: Model, options: EncodeOptions, target: Target, progress: Progress | None
    ) -> None:
        self.path, self.model, self.options, self.target, self.progress = path, model, options, target, progress
        self.once = 0  # bytes of a file that do not grow with its length
        self.spans, self.scale = self._sample()

    def whole(self, quality: float) -> Trial:
        """All of the video."""
        file = cast(BinaryIO, SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 - closed with the last use of it
        result = self._encoded(file, self.options, quality, self.progress)
        return Trial(self.measured(result, file) if self.target.of_psnr else result, file)

    def sampled(self, quality: float) -> Trial:
        """The spans; the report is scaled up to the whole."""
        parts = []
        for start, end in self.spans:
            span = replace(self.options, start=start, end=end)
            with SpooledTemporaryFile(IN_MEMORY) as file:
                part = self._encoded(cast(BinaryIO, file), span, quality, None)
                parts.append(self.measured(part, cast(BinaryIO, file), span) if self.target.of_psnr else part)
        video = self.once + self.scale * sum(part.video_bytes - self.once for part in parts)
        sound = self.scale * sum(part.audio_bytes for part in parts)
        pixels = self.scale * sum(part.frames * part.width * part.height for part in parts)
        decibels = [part.psnr for part in parts if part.psnr is not None]
        psnr = sum(decibels) / len(parts) if decibels else None
        return Trial(replace(parts[0], bytes=round(video + sound), bpp=8 * video / pixels, psnr=psnr))

    def measured(self, result: EncodeResult, file: BinaryIO, options: EncodeOptions | None = None) -> EncodeResult:
        """The report with the PSNR of the file."""
        file.seek(0)
        with self._opened(options or self.options) as video:
            psnr, of_clip = measure(Reader(file, "the try"), self.model, video.frames())
        return replace(result, psnr=psnr, psnr_clip=of_clip)

    def _encoded(
        self, file: BinaryIO, options: EncodeOptions, quality: float, progress: Progress | None
    ) -> EncodeResult:
        with self._opened(options) as video:
            encoding = Encoding(video, self.model, options, quality)
            encoding.run(file, progress)
            self.once = encoding.writer.count.header + encoding.writer.count.meta
            return encoding.result(0.0)

    def _opened(self, options: EncodeOptions) -> VideoSource:
        return open_source(
            self.path, start=options.start, end=options.end, size=options.size, fps=options.fps, threads=options.threads or 0
        )

    def _sample(self) -> tuple[list[tuple[float, float]], float]:
        """Start and end in seconds of evenly spread spans of one group each, and how many times the video is as long as they are together;
        none where the video is short, or does not tell how long it is."""
        with self._opened(self.options) as video:
            info = video.info
        if not info.duration or not info.frame_rate:
            return [], 1.0
        group = self.options.group or default_group(info.frame_rate, self.model.clip_frames)
        span = float(min(group, SPAN_SEGMENTS) * self.model.clip_frames / info.frame_rate)
        scale = info.duration / (SPANS * span)
        if scale < WORTH:
            return [], 1.0
        begin = self.options.start or 0.0
        starts = [begin + (info.duration - span) * place / (SPANS - 1) for place in range(SPANS)]
        return [(start, start + span) for start in starts], scale


@contextmanager
def _rereadable(source: str | Path) -> Iterator[str | Path]:
    """A path that can be opened many times: what comes through a pipe is kept in a temporary file."""
    piped = str(source) == "-"
    if not piped and not Path(source).is_fifo():
        yield source
        return
    with tempfile.NamedTemporaryFile(prefix="vtc-") as kept:
        if piped:
            shutil.copyfileobj(sys.stdin.buffer, kept)
        else:
            with open(source, "rb") as pipe:
                shutil.copyfileobj(pipe, kept)
        kept.flush()
        yield kept.name
