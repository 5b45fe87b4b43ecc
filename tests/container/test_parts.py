"""Varints, header, segment, index and tags: round trips, sizes, and refusal of what is out of range."""

import contextlib
import dataclasses
import json
from fractions import Fraction

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from vtc.container import ColourCodes, Header, Segment, StreamData
from vtc.container.header import pack_header, parse_header
from vtc.container.index import IndexWriter, parse_index
from vtc.container.meta import MAX_JSON, pack_meta, parse_meta
from vtc.container.segment import pack_segment, parse_segment
from vtc.container.varint import Cursor, Malformed, put_sint, put_uint
from vtc.errors import FormatError

from . import build


@given(st.lists(st.integers(0, 2**64 - 1)), st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_come_back(unsigned: list[int], signed: list[int]) -> None:
    out = bytearray()
    for value in unsigned:
        put_uint(out, value)
    for value in signed:
        put_sint(out, value)
    cursor = Cursor(bytes(out))
    assert [cursor.uint() for _ in unsigned] == unsigned
    assert [cursor.sint() for _ in signed] == signed
    cursor.finish()


@pytest.mark.parametrize("value", [-1, 2**64])
def test_numbers_out_of_range_are_not_written(value: int) -> None:
    with pytest.raises(ValueError):
        put_uint(bytearray(), value)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff" * 11, b"\xff" * 9 + b"\x7f"])
def test_numbers_that_follow_no_rule(data: bytes) -> None:
    with pytest.raises(Malformed):
        Cursor(data).uint()


@given(build.headers())
def test_header_comes_back(header: Header) -> None:
    assert parse_header(pack_header(header)) == header


def test_plain_header_is_small() -> None:
    assert 8 + 12 + len(pack_header(build.header())) <= 120 - 35


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ""},
        {"model": "../../etc/passwd"},
        {"model": "é"},
        {"model": "a" * 65},
        {"model": "name\n"},
        {"bundle": b"short"},
        {"width": 0},
        {"height": 16385},
        {"width": 16384, "height": 16384},
        {"source_width": 0},
        {"time_base": Fraction(0)},
        {"time_base": Fraction(1, 2**32)},
        {"sar": Fraction(-1)},
        {"frame_rate": Fraction(-30)},
        {"bit_depth": 7},
        {"quality": 101},
        {"clip_frames": 0},
        {"clip_frames": 1025},
        {"group": 0},
        {"colour": ColourCodes(primaries=256)},
    ],
)
def test_header_out_of_range(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        build.header(**changes)


def test_newer_versions() -> None:
    payload = pack_header(build.header())
    with pytest.raises(FormatError, match=r"2\.0.*upgrade"):
        parse_header(b"\x02" + payload[1:])
    newer_minor = parse_header(b"\x01\x07" + payload[2:] + b"more than we know")
    assert newer_minor == dataclasses.replace(build.header(), version=(1, 7))
    with pytest.raises(ValueError):
        parse_header(payload + b"more")


@given(build.segments())
def test_segment_comes_back(segment: Segment) -> None:
    assert parse_segment(pack_segment(segment)) == segment


def test_segment_framing_is_small() -> None:
    segment = build.segment(0)
    assert len(pack_segment(segment)) - sum(len(stream.data) for stream in segment.streams) <= 36


def test_coarse_clocks_stay_small() -> None:
    """30 frames a second in milliseconds: 33, 33, 34, …"""
    pts = tuple(round(at * 1000 / 30) for at in range(16))
    segment = Segment(0, False, pts, 33, 1.0, (), 0)
    assert len(pack_segment(segment)) <= 17
    assert parse_segment(pack_segment(segment)) == segment


def test_step_is_the_number_that_will_be_read() -> None:
    segment = Segment(0, False, (0,), 1, 0.1, (), 0)
    assert segment.step != 0.1 and segment.step == pytest.approx(0.1, rel=1e-7)
    assert parse_segment(pack_segment(segment)).step == segment.step


@pytest.mark.parametrize(
    "changes",
    [
        {"pts": ()},
        {"pts": (0, 0)},
        {"pts": (5, 3)},
        {"pts": tuple(range(1025))},
        {"pts": (2**61 + 1,)},
        {"last_duration": -1},
        {"leans": True},
        {"number": -1},
        {"number": 2**32},
        {"step": float("nan")},
        {"step": float("inf")},
        {"step": -1.0},
        {"symbols_crc": 2**32},
        {"streams": (StreamData(0, 0, (), b""), StreamData(0, 0, (), b""))},
        {"streams": tuple(StreamData(at, 0, (), b"") for at in range(17))},
    ],
)
def test_segment_out_of_range(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        dataclasses.replace(Segment(0, False, (0, 1), 1, 1.0, (), 0), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("fields", [(256, 0, ()), (0, 4, ()), (0, 0, (-1,)), (0, 0, (2**22, 1)), (0, 0, (1,) * 4097)])
def test_stream_out_of_range(fields: tuple[int, int, tuple[int, ...]]) -> None:
    with pytest.raises(ValueError):
        StreamData(*fields, b"")


@given(build.segments(), st.data())
def test_changed_segments_parse_or_are_malformed(segment: Segment, data: st.DataObject) -> None:
    payload = bytearray(pack_segment(segment))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        parse_segment(bytes(payload[: data.draw(st.integers(0, len(payload)))]))


@given(st.data())
def test_index_comes_back(data: st.DataObject) -> None:
    writer = IndexWriter()
    first, offset = data.draw(st.integers(-(2**50), 2**50)), 100
    expected: list[tuple[int, int, int, bool, int, int]] = []
    audio: list[tuple[int, int]] = []
    other: list[tuple[int, int]] = []
    segment: Segment | None = None
    for _ in range(data.draw(st.integers(0, 12))):
        length = data.draw(st.integers(0, 10**6))
        kind = data.draw(st.sampled_from(("segment", "audio", "other")))
        if kind == "segment":
            segment = data.draw(build.segments(number=len(expected), first=first))
            first = segment.end_pts + data.draw(st.integers(1, 5))
            writer.add_segment(length, segment)
            expected.append((segment.number, segment.pts[0], segment.frames, segment.leans, offset, length + 12))
        elif kind == "audio":
            writer.add_audio(length)
            audio.append((offset, length + 12))
        else:
            writer.add_other(length)
            other.append((offset, length + 12))
        offset += length + 12
    index = parse_index(writer.payload(), 100, offset)
    assert expected == [
        (entry.number, entry.pts, entry.frames, entry.leans, entry.span.offset, entry.span.length)
        for entry in index.segments
        if entry.span
    ]
    assert audio == [(span.offset, span.length) for span in index.audio]
    assert other == [(span.offset, span.length) for span in index.other]
    assert index.end_pts == (segment.end_pts if segment else 0)
    for wrong in (offset - 1, offset + 1):
        with pytest.raises(ValueError):
            parse_index(writer.payload(), 100, wrong)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), min_size=1))
def test_tags_come_back(tags: dict[str, str]) -> None:
    payload, left_out = pack_meta(tags)
    assert parse_meta(payload) == tags and not left_out


def test_tags_beyond_the_limit_are_left_out_by_name() -> None:
    payload, left_out = pack_meta({"artist": "A", "lyrics": "la " * MAX_JSON, "title": "T"})
    assert parse_meta(payload) == {"artist": "A", "title": "T"}
    assert left_out == ["lyrics"]


LONG = b'{"a": "' + b"x" * MAX_JSON + b'"}'


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a": 1}', b"{", b"[" * 20000, LONG, b"\xff"])
def test_tags_that_follow_no_rule(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse_meta(zstandard.compress(text))
    with pytest.raises(ValueError):
        parse_meta(text)


def test_a_small_chunk_of_tags_does_not_become_a_large_allocation() -> None:
    bomb = zstandard.ZstdCompressor(level=3).compress(json.dumps({"a": "x" * (1 << 26)}).encode())
    with pytest.raises(ValueError):
        parse_meta(bomb)
