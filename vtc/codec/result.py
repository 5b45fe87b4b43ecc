"""What an encode has to tell of the file that it wrote."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from vtc.container import PROFILES, ByteCount, Header, Segment

Progress = Callable[[int, int], None]
"""Called with (frames done, bytes so far)."""


@dataclass(frozen=True)
class EncodeResult:
    """What was written. `width`, `height`: of the source; `duration` in seconds. `bpp`: bits of everything but audio, over frames x source
    width x height. `tokens`: of all streams. `entropy`: the profiles used, joined by "+". `bundle`: its sha256 in hex. `seconds`: spent,
    without loading the bundle; `fps`: frames in each of them. `quality`: as asked for, or as found for a target,
    and then perhaps no whole number. `psnr` (RGB, mean over frames) and `psnr_clip` (from the squared error of all frames): dB of a decode
    with one step, at the coded size; None where no target was asked for."""

    frames: int
    width: int
    height: int
    duration: float
    bytes: int
    video_bytes: int
    audio_bytes: int
    bpp: float
    tokens: int
    segments: int
    model: str
    bundle: str
    entropy: str
    quality: float
    seconds: float
    fps: float
    psnr: float | None = None
    psnr_clip: float | None = None
    warnings: tuple[str, ...] = ()

    def values(self) -> dict[str, Any]:
        """All of it by name, for JSON."""
        return asdict(self)


@dataclass
class Tally:
    """Counts segments as they are written."""

    frames: int = 0
    tokens: int = 0
    segments: int = 0
    ticks: int = 0
    profiles: set[int] = field(default_factory=set)

    def add(self, segment: Segment) -> None:
        """Count one segment."""
        self.frames += segment.frames
        self.segments += 1
        self.tokens += sum(stream.tokens for stream in segment.streams)
        self.profiles |= {stream.profile for stream in segment.streams if stream.data}
        self.ticks += segment.end_pts - segment.pts[0]

    def result(
        self, header: Header, count: ByteCount, quality: float, seconds: float, warnings: tuple[str, ...]
    ) -> EncodeResult:
        """The report of a file with this header and so many bytes."""
        pixels = self.frames * header.source_width * header.source_height
        return EncodeResult(
            frames=self.frames, width=header.source_width, height=header.source_height,
            duration=float(self.ticks * header.time_base), bytes=count.total, video_bytes=count.video,
            audio_bytes=count.audio, bpp=8 * count.video / pixels, tokens=self.tokens, segments=self.segments,
            model=header.model, bundle=header.bundle.hex(),
            entropy="+".join(PROFILES[profile] for profile in sorted(self.profiles)) or "none",
            quality=quality, seconds=seconds, fps=self.frames / max(seconds, 1e-9), warnings=warnings,
        )  # fmt: skip
