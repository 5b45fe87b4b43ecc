"""The numbers of a `.vtc` file, from its container alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from vtc.container import PROFILES, Header, Reader
from vtc.errors import BundleError, DamageError


@dataclass(frozen=True)
class StreamName:
    """What a bundle calls a stream, and whether its tail is cut to the length that the motion asks for."""

    name: str
    cut: bool = False


@dataclass(frozen=True)
class Row:
    """One segment. start, duration in seconds; bytes of its chunk; tokens of all streams, and `streams` by name; `length`: kept 1D
    latents, mean over the tiles (0 where the model has none); `leans` on the segment before; `damaged`: it cannot be read."""

    start: float
    duration: float
    frames: int
    bytes: int
    tokens: int
    length: float
    leans: bool
    streams: dict[str, int]
    damaged: bool = False


@dataclass(frozen=True)
class Summary:
    """A whole file. bpp: bits of everything but audio, over frames × source width × height. kinds: bytes of header, tags, index,
    segment framing, each stream, audio, anything else; they add up to `bytes`. entropy: the profiles used, as `static` or
    `packed+static`."""

    header: Header
    bundle_found: bool
    frames: int
    duration: float
    bytes: int
    kinds: dict[str, int]
    entropy: str
    rows: tuple[Row, ...]
    recovered: bool
    problems: tuple[str, ...]
    tags: dict[str, str]

    @property
    def audio_bytes(self) -> int:
        return self.kinds["audio"]

    @property
    def bpp(self) -> float:
        pixels = self.frames * self.header.source_width * self.header.source_height
        return 8 * (self.bytes - self.audio_bytes) / pixels if pixels else 0.0

    @property
    def tokens(self) -> int:
        return sum(row.tokens for row in self.rows)

    def values(self, *, rows: bool) -> dict[str, Any]:
        """All of it as one JSON object; `segments` is a number, or with `rows` a list of them."""
        header = self.header
        return {
            "frames": self.frames,
            "width": header.source_width,
            "height": header.source_height,
            "coded_width": header.width,
            "coded_height": header.height,
            "duration": self.duration,
            "frame_rate": float(header.frame_rate) or None,
            "bytes": self.bytes,
            "video_bytes": self.bytes - self.audio_bytes,
            "audio_bytes": self.audio_bytes,
            "bytes_by_kind": self.kinds,
            "bpp": self.bpp,
            "tokens": self.tokens,
            "segments": [asdict(row) for row in self.rows] if rows else len(self.rows),
            "group": header.group,
            "clip_frames": header.clip_frames,
            "quality": header.quality,
            "model": header.model,
            "bundle": header.bundle,
            "bundle_at_hand": self.bundle_found,
            "entropy": self.entropy,
            "colour": asdict(header.colour),
            "bit_depth": header.bit_depth,
            "sar": header.sar,
            "time_base": header.time_base,
            "format": ".".join(map(str, header.version)),
            "tags": self.tags,
            "recovered": self.recovered,
            "problems": self.problems,
        }


def summarize(reader: Reader) -> Summary:
    """Read every segment's frame (not its symbols). Damaged segments are counted by what the index knows, and named in `problems`."""
    header, index = reader.header, reader.index
    streams, found = stream_names(header)
    rows: list[Row] = []
    problems = list(reader.problems)
    profiles: set[int] = set()
    for entry in index.segments:
        start = float((entry.pts - index.segments[0].pts) * header.time_base)
        duration = float((index.end_of(entry.number) - entry.pts) * header.time_base)
        size = entry.span.length if entry.span else 0
        try:
            segment = reader.segment(entry.number)
        except DamageError as problem:
            problems.append(problem.message)
            rows.append(Row(start, duration, entry.frames, size, 0, 0.0, entry.leans, {}, damaged=True))
            continue
        tokens = {named(streams, stream.id).name: stream.tokens for stream in segment.streams}
        cut = [stream for stream in segment.streams if named(streams, stream.id).cut]
        length = sum(stream.tokens for stream in cut) / max(1, sum(len(stream.counts) for stream in cut))
        profiles |= {stream.profile for stream in segment.streams if stream.data}
        rows.append(Row(start, duration, entry.frames, size, sum(tokens.values()), length, entry.leans, tokens))
    count = reader.count_bytes()
    kinds = {"header": count.header, "tags": count.meta, "index": count.index, "segment frames": count.framing}
    kinds |= {named(streams, number).name: count.streams[number] for number in sorted(count.streams)}
    kinds |= {"audio": count.audio, "other": count.other}
    return Summary(
        header=header,
        bundle_found=found,
        frames=index.frames,
        duration=float(reader.duration),
        bytes=reader.size,
        kinds=kinds,
        entropy="+".join(PROFILES[profile] for profile in sorted(profiles)) or "none",
        rows=tuple(rows),
        recovered=reader.recovered,
        problems=tuple(problems),
        tags=reader.tags,
    )


def named(streams: tuple[StreamName, ...], number: int) -> StreamName:
    """Name of stream `number` of a bundle."""
    return streams[number] if number < len(streams) else StreamName(f"stream {number}")


def stream_names(header: Header) -> tuple[tuple[StreamName, ...], bool]:
    """The streams of the bundle that made a file, and whether it is at hand; none where it is not."""
    from vtc.codec.weights import describe, find_identity

    try:
        bundle = describe(find_identity(header.bundle, header.model))
    except BundleError:
        return (), False
    told = bundle.card.get("streams", ())
    return tuple(StreamName(stream["name"], stream.get("cut", False)) for stream in told), True
