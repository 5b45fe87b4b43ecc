"""Files of version 1.0 as they were first written: read for ever, and the plain one also written as it was."""

import io
import re
from fractions import Fraction
from pathlib import Path

from vtc.container import ColourCodes, Header, Segment, StreamData, Writer, open_reader

from . import build

GOLDEN = Path(__file__).parent / "golden"
FORMAT = Path(__file__).parents[2] / "docs" / "FORMAT.md"

PLAIN_HEADER = build.header(group=10)
PLAIN_SEGMENTS = (
    Segment(
        number=0,
        leans=False,
        pts=tuple(range(0, 8192, 512)),
        last_duration=512,
        step=12.5,
        streams=(StreamData(0, 0, (1200,), b"MOTION"), StreamData(1, 1, (1200,), b"STRUCTURE")),
        symbols_crc=0x12345678,
    ),
    Segment(
        number=1,
        leans=True,
        pts=(8192, 8704, 9728),
        last_duration=512,
        step=0.5,
        streams=(StreamData(1, 1, (1200,), b"S"), StreamData(2, 2, (32, 32, 7), b"QUERY")),
        symbols_crc=0x9ABCDEF0,
    ),
)
FULL_HEADER = Header(
    model="vtok-small_1.2",
    bundle=build.BUNDLE,
    width=640,
    height=272,
    source_width=1920,
    source_height=816,
    time_base=Fraction(1, 1000),
    frame_rate=Fraction(24000, 1001),
    sar=Fraction(64, 45),
    colour=ColourCodes(9, 16, 9, full_range=True, guessed=True),
    bit_depth=10,
    quality=73,
    clip_frames=32,
    group=4,
    audio=True,
)
FULL_SEGMENTS = tuple(
    Segment(
        number=number,
        leans=number % 4 != 0,
        pts=tuple(round(frame * 1001 / 24) - 83 for frame in range(32 * number, min(32 * number + 32, 170))),
        last_duration=42,
        step=3.25,
        streams=(
            StreamData(0, 1, (64, 64, 65, 0, 0), b"k" * number),
            StreamData(1, 0, (31,) * 5, bytes(range(number))),
        ),
        symbols_crc=number,
    )
    for number in range(6)
)
FULL_TAGS = {"title": "A clip", "comment": "zwölf Ünïcode \U0001f3ac"}
FULL_AUDIO = (b"nut\0" * 9, b"\xff\xfe")


def plain() -> bytes:
    """Two segments, nothing else."""
    out = io.BytesIO()
    with Writer(out) as writer:
        writer.write_header(PLAIN_HEADER)
        for segment in PLAIN_SEGMENTS:
            writer.write_segment(segment)
    return out.getvalue()


def full() -> bytes:
    """Every field at an unusual value, with tags and audio."""
    out = io.BytesIO()
    with Writer(out) as writer:
        writer.write_header(FULL_HEADER)
        writer.write_meta(FULL_TAGS)
        for segment in FULL_SEGMENTS:
            writer.write_segment(segment)
            if segment.number < 2:
                writer.write_audio(FULL_AUDIO[segment.number])
    return out.getvalue()


def test_plain_file_is_written_as_ever() -> None:
    assert plain() == (GOLDEN / "plain.vtc").read_bytes()


def test_plain_file_is_read_as_ever() -> None:
    with open_reader(GOLDEN / "plain.vtc") as reader:
        assert reader.header == PLAIN_HEADER
        assert tuple(reader.segment(number) for number in range(2)) == PLAIN_SEGMENTS
        assert not reader.recovered and all(finding.ok for finding in reader.verify())


def test_full_file_is_read_as_ever() -> None:
    """Compared by content: the compressed tags may differ between releases of zstandard."""
    with open_reader(GOLDEN / "full.vtc") as reader:
        assert reader.header == FULL_HEADER
        assert tuple(reader.segment(number) for number in range(6)) == FULL_SEGMENTS
        assert reader.tags == FULL_TAGS
        assert tuple(reader.audio_pieces()) == FULL_AUDIO
        assert not reader.recovered and all(finding.ok for finding in reader.verify())


def test_format_document_shows_the_plain_file() -> None:
    """The bytes in docs/FORMAT.md, line by line, are those of the golden file."""
    block = re.search(r"```hex\n(.*?)```", FORMAT.read_text(encoding="utf-8"), re.DOTALL)
    assert block
    shown = "".join(line.split("|")[1] for line in block.group(1).splitlines())
    assert bytes.fromhex(shown) == plain()
