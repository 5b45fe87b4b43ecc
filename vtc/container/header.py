"""The `HEAD` chunk: what a reader must know before the first segment. Layout in docs/FORMAT.md."""

import re
from dataclasses import dataclass, field
from fractions import Fraction

from vtc.container.varint import Cursor, Malformed, put_uint
from vtc.errors import FormatError

VERSION = (1, 0)
MAX_SIDE = 1 << 14
MAX_AREA = 1 << 26
MAX_CLIP_FRAMES = 1024
MAX_GROUP = 1 << 16
MAX_TERM = 2**32 - 1
BUNDLE_BYTES = 32

# A name becomes part of a path when the bundle is looked up, so it may not hold anything that walks.
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_SOURCE_SIZE, _RATE, _SAR, _COLOUR, _FULL_RANGE, _GUESSED, _AUDIO, _DEPTH = (1 << bit for bit in range(8))
_ALL_FLAGS = 0xFF


@dataclass(frozen=True)
class ColourCodes:
    """Colour of the source as ITU-T H.273 code numbers (0 … 255); `guessed` when the source was not tagged."""

    primaries: int = 1
    transfer: int = 1
    matrix: int = 1
    full_range: bool = False
    guessed: bool = False


@dataclass(frozen=True)
class Header:
    """Everything about a file that is the same for all of its segments. Raises `ValueError` when a field is out of
    range.

    width, height: the coded picture before padding, 1 … 16384, at most 2^26 pixels. source_width, source_height: the
    size that a decode goes back to. Both in display orientation (rotation is applied at reading). time_base: seconds
    per unit of pts. frame_rate: nominal, 0 when unknown or variable. bit_depth: of the source, 8 … 16. quality: 0 … 100
    as asked for. clip_frames: frames of a full segment, 1 … 1024. group: segments that may share a prediction loop, 1 …
    65536. bundle: sha256 of the bundle file. model: its name, letters, digits and `._-`, at most 64.
    """

    model: str
    bundle: bytes
    width: int
    height: int
    source_width: int
    source_height: int
    time_base: Fraction
    frame_rate: Fraction = Fraction(0)
    sar: Fraction = Fraction(1)
    colour: ColourCodes = field(default_factory=ColourCodes)
    bit_depth: int = 8
    quality: int = 50
    clip_frames: int = 16
    group: int = 1
    audio: bool = False
    version: tuple[int, int] = VERSION

    def __post_init__(self) -> None:
        if not _MODEL.fullmatch(self.model):
            raise ValueError(f"model name {self.model!r} is not 1 to 64 letters, digits, '.', '_' or '-'")
        if len(self.bundle) != BUNDLE_BYTES:
            raise ValueError(f"the bundle's identity has {len(self.bundle)} bytes instead of {BUNDLE_BYTES}")
        for width, height in ((self.width, self.height), (self.source_width, self.source_height)):
            if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_AREA):
                raise ValueError(f"a picture of {width}x{height} is out of range")
        for name, ratio in (("time base", self.time_base), ("aspect", self.sar), ("frame rate", self.frame_rate)):
            if not (0 <= ratio.numerator <= MAX_TERM and ratio.denominator <= MAX_TERM):
                raise ValueError(f"the {name} {ratio} is out of range")
        if not (self.time_base and self.sar):
            raise ValueError("time base and aspect must not be zero")
        codes = (self.colour.primaries, self.colour.transfer, self.colour.matrix)
        ranges = (
            *(("colour code", code, 0, 255) for code in codes),
            ("bit depth", self.bit_depth, 8, 16),
            ("quality", self.quality, 0, 100),
            ("clip length", self.clip_frames, 1, MAX_CLIP_FRAMES),
            ("group", self.group, 1, MAX_GROUP),
        )
        for name, value, low, high in ranges:
            if not low <= value <= high:
                raise ValueError(f"{name} {value} is outside {low} … {high}")


def pack_header(header: Header) -> bytes:
    """The payload of the `HEAD` chunk. Fields at their usual value are left out; a plain clip takes about 70 bytes."""
    colour, depth = header.colour, header.bit_depth
    has_source_size = (header.source_width, header.source_height) != (header.width, header.height)
    has_colour = (colour.primaries, colour.transfer, colour.matrix) != (1, 1, 1)
    flags = (
        has_source_size * _SOURCE_SIZE
        | (header.frame_rate != 0) * _RATE
        | (header.sar != 1) * _SAR
        | has_colour * _COLOUR
        | colour.full_range * _FULL_RANGE
        | colour.guessed * _GUESSED
        | header.audio * _AUDIO
        | (depth != 8) * _DEPTH
    )
    name = header.model.encode("ascii")
    out = bytearray((*header.version, flags, len(name)))
    out += name
    out += header.bundle
    numbers = [header.width, header.height, header.time_base.numerator, header.time_base.denominator]
    numbers += [header.quality, header.clip_frames, header.group]
    if has_source_size:
        numbers += [header.source_width, header.source_height]
    if header.frame_rate:
        numbers += [header.frame_rate.numerator, header.frame_rate.denominator]
    if header.sar != 1:
        numbers += [header.sar.numerator, header.sar.denominator]
    for number in numbers:
        put_uint(out, number)
    if has_colour:
        out += bytes((colour.primaries, colour.transfer, colour.matrix))
    if depth != 8:
        out.append(depth)
    return bytes(out)


def parse_header(payload: bytes) -> Header:
    """The header in a `HEAD` payload.

    Raises `FormatError` when a newer major version wrote it, `ValueError` when the bytes follow no rule.
    """
    cursor = Cursor(payload)
    version = (cursor.byte(), cursor.byte())
    if version[0] != VERSION[0]:
        raise FormatError(
            f"the file has format version {version[0]}.{version[1]}; this vtc reads {VERSION[0]}.x",
            "upgrade vtc" if version[0] > VERSION[0] else "encode the video again",
        )
    flags = cursor.byte()
    model = cursor.take(cursor.byte()).decode("ascii")
    bundle = cursor.take(BUNDLE_BYTES)
    width, height = cursor.uint(), cursor.uint()
    time_base = _ratio(cursor)
    quality, clip_frames, group = cursor.uint(), cursor.uint(), cursor.uint()
    source_width, source_height = (cursor.uint(), cursor.uint()) if flags & _SOURCE_SIZE else (width, height)
    frame_rate = _ratio(cursor) if flags & _RATE else Fraction(0)
    sar = _ratio(cursor) if flags & _SAR else Fraction(1)
    primaries, transfer, matrix = cursor.take(3) if flags & _COLOUR else (1, 1, 1)
    bit_depth = cursor.byte() if flags & _DEPTH else 8
    if version[1] <= VERSION[1]:  # a newer minor version may have put more behind
        cursor.finish()
    return Header(
        model=model, bundle=bundle, width=width, height=height, source_width=source_width, source_height=source_height,
        time_base=time_base, frame_rate=frame_rate, sar=sar,
        colour=ColourCodes(primaries, transfer, matrix, bool(flags & _FULL_RANGE), bool(flags & _GUESSED)),
        bit_depth=bit_depth, quality=quality, clip_frames=clip_frames, group=group, audio=bool(flags & _AUDIO),
        version=version,
    )  # fmt: skip


def _ratio(cursor: Cursor) -> Fraction:
    numerator, denominator = cursor.uint(MAX_TERM), cursor.uint(MAX_TERM)
    if denominator == 0:
        raise Malformed("a ratio has the denominator 0")
    return Fraction(numerator, denominator)
