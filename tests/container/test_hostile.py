"""Files made to hurt, with valid checksums: an error within bounded time and memory, never anything else."""

import io
import time
import tracemalloc

import pytest

from vtc.container import Reader, Segment, StreamData
from vtc.container.chunk import SIGNATURE, pack_chunk, pack_footer
from vtc.container.header import pack_header
from vtc.container.index import IndexWriter
from vtc.container.segment import pack_segment
from vtc.container.varint import put_uint
from vtc.errors import DamageError, FormatError, VtcError

from . import build

START = SIGNATURE + pack_chunk(b"HEAD", pack_header(build.header()))


def with_index(body: bytes, payload: bytes) -> io.BytesIO:
    """A file of header, `body`, and an index chunk with this payload."""
    return io.BytesIO(START + body + pack_chunk(b"INDX", payload) + pack_footer(len(payload) + 12))


def uints(*values: int) -> bytes:
    """Varints in a row."""
    out = bytearray()
    for value in values:
        put_uint(out, value)
    return bytes(out)


@pytest.mark.parametrize("length", [2**28, 2**28 + 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("type", [b"HEAD", b"SEGM", b"meTa", b"zzZz"])
def test_a_length_is_not_an_allocation(type: bytes, length: int) -> None:
    data = io.BytesIO((SIGNATURE if type == b"HEAD" else START) + type + length.to_bytes(4, "little") + b"x" * 100)
    tracemalloc.start()
    try:
        assert Reader(data).recovered
    except VtcError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 << 20


def test_a_footer_that_leads_anywhere() -> None:
    for length in (0, 1, 11, 12, 19, 20, 80, 2**31, 2**32 - 1):
        reader = Reader(io.BytesIO(START + pack_footer(length)))
        assert reader.recovered and not reader.index.segments


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        uints(0, 2**40),
        uints(0, (2**63) << 2 & 2**64 - 1, 16, 0),
        uints(0, 1, 16, 0),
        uints(0, 0, 0, 0),
        uints(0, 0, 2000, 0),
        uints(2**63, 0, 16, 0),
        uints(0, 0, 16, 2**64 - 1),
        uints(*([0, 0, 16, 0] * 1000)),
        b"\xff" * 50,
    ],
)
def test_an_index_that_lies(payload: bytes) -> None:
    reader = Reader(with_index(b"", payload))
    assert reader.recovered and not any(entry.span for entry in reader.index.segments)
    assert not all(finding.ok for finding in reader.verify())


def test_an_index_that_names_other_chunks() -> None:
    """Kinds exchanged: audio is called a segment, a segment audio."""
    index = IndexWriter()
    audio, segment = b"sound", pack_segment(build.segment(0))
    index.add_segment(len(audio), build.segment(0))
    index.add_audio(len(segment))
    index.add_other(len(segment))
    segment_chunk = pack_chunk(b"SEGM", segment)
    reader = Reader(with_index(pack_chunk(b"auDt", audio) + segment_chunk + segment_chunk, index.payload()))
    with pytest.raises(DamageError, match="auDt where a SEGM"):
        reader.segment(0)
    with pytest.raises(DamageError, match="SEGM where a auDt"):
        list(reader.audio_pieces())
    assert len([finding for finding in reader.verify() if not finding.ok]) == 3


def test_a_segment_that_is_another_one_than_the_index_says() -> None:
    index = IndexWriter()
    payload = pack_segment(build.segment(0))
    index.add_segment(len(payload), build.segment(0, 15))
    with pytest.raises(DamageError, match="another one"):
        Reader(with_index(pack_chunk(b"SEGM", payload), index.payload())).segment(0)


def test_more_frames_than_the_header_allows() -> None:
    segment = Segment(0, False, tuple(range(100)), 1, 1.0, (), 0)
    body, index = pack_segment(segment), IndexWriter()
    index.add_segment(len(body), segment)
    with pytest.raises(DamageError, match="more frames"):
        Reader(with_index(pack_chunk(b"SEGM", body), index.payload())).segment(0)
    assert not Reader(io.BytesIO(START + pack_chunk(b"SEGM", body))).index.segments


def test_a_leap_in_numbers_is_not_an_allocation() -> None:
    leap = Segment(2**32 - 1, True, (10**9,), 1, 1.0, (), 0)
    body = pack_chunk(b"SEGM", pack_segment(build.segment(0))) + pack_chunk(b"SEGM", pack_segment(leap))
    reader = Reader(io.BytesIO(START + body))
    assert len(reader.index.segments) == 1
    assert any("too many missing" in problem for problem in reader.problems)


def test_an_index_of_very_many_segments_is_not_an_allocation() -> None:
    payload = uints(0) + uints(0, 1, 2) * 500_000
    tracemalloc.start()
    try:
        assert not Reader(with_index(b"", payload)).index.segments
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 48 << 20


def test_runs_are_bounded() -> None:
    tail = uints(0, 2**12, 64 << 1 | 1, 2**12 - 2, 0)
    good = bytes([0]) + uints(0, 1, 0, 1 << 1) + bytes(8) + uints(1) + tail
    index = IndexWriter()
    index.add_segment(len(good), Segment(0, False, (0,), 1, 0.0, (), 0))
    reader = Reader(with_index(pack_chunk(b"SEGM", good), index.payload()))
    assert reader.segment(0).streams == (StreamData(0, 0, (64,) * 2**12, b""),)
    for wrong in (uints(0, 2**13, 1, 2**13 - 2, 0), uints(0, 3, 1, 2, 0), uints(0, 2**12, 2**40 | 1, 2**12 - 2, 0)):
        bad = good[: -len(tail)] + wrong
        assert not Reader(io.BytesIO(START + pack_chunk(b"SEGM", bad))).index.segments


def test_false_landmarks_do_not_make_the_search_quadratic() -> None:
    """A megabyte in which a chunk seems to begin every eight bytes, each reaching far ahead."""
    body = b"".join(b"SEGM" + (400_000).to_bytes(4, "little") for _ in range(1 << 17))
    begin = time.perf_counter()
    reader = Reader(io.BytesIO(START + b"\0" + body))
    assert time.perf_counter() - begin < 5
    assert reader.recovered and not reader.index.segments and reader.problems


def test_versions_and_header_lengths() -> None:
    payload = pack_header(build.header())
    newer = SIGNATURE + pack_chunk(b"HEAD", b"\x02" + payload[1:])
    with pytest.raises(FormatError, match=r"clip\.vtc: .* version 2\.0"):
        Reader(io.BytesIO(newer), "clip.vtc")
    for wrong in (b"", b"\x01", payload[:-1], payload + b"x", payload + bytes(5000)):
        with pytest.raises(DamageError, match="header"):
            Reader(io.BytesIO(SIGNATURE + pack_chunk(b"HEAD", wrong)))
    with pytest.raises(DamageError, match="SEGM is in its place"):
        Reader(io.BytesIO(SIGNATURE + pack_chunk(b"SEGM", b"")))
    with pytest.raises(DamageError):
        Reader(io.BytesIO(SIGNATURE))
