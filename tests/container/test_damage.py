"""Damaged, cut and foreign files: everything that is whole is read, everything that is not is named."""

import io
import random

import pytest

from vtc.container import Reader
from vtc.container.chunk import SIGNATURE, pack_chunk
from vtc.errors import DamageError, FormatError, VtcError

from . import build

WHOLE = build.file()
INTACT = Reader(io.BytesIO(WHOLE))


def readable(reader: Reader) -> list[int]:
    """Numbers of the segments that can be read; each must be what was written."""
    good = []
    for entry in reader.index.segments:
        try:
            segment = reader.segment(entry.number)
        except DamageError as error:
            assert error.segment == entry.number and f"segment {entry.number}" in error.message and error.hint
            continue
        assert segment == INTACT.segment(entry.number)
        good.append(entry.number)
    return good


def part_at(offset: int) -> tuple[str, int | None]:
    """Which part of the whole file holds the byte at `offset`."""
    for finding in INTACT.verify():
        if finding.span.offset <= offset < finding.span.end:
            return finding.chunk, finding.segment
    raise AssertionError(offset)


@pytest.mark.parametrize("change", [0x01, 0x20, 0x80, 0xFF])
def test_every_flipped_byte_is_found_and_named(change: int) -> None:
    for offset in range(len(WHOLE)):
        data = bytearray(WHOLE)
        data[offset] ^= change
        part, number = part_at(offset)
        if part == "HEAD":
            with pytest.raises(FormatError if offset < len(SIGNATURE) else DamageError):
                Reader(io.BytesIO(data))
            continue
        reader = Reader(io.BytesIO(data))
        assert readable(reader) == [other for other in range(5) if other != number or part != "SEGM"]
        bad = [finding for finding in reader.verify() if not finding.ok]
        assert bad, f"byte {offset} in {part}"
        if part == "SEGM":
            assert [finding.segment for finding in bad] == [number]
        elif part in ("INDX", "footer"):
            assert reader.recovered and reader.problems
        if part == "auDt":
            with pytest.raises(DamageError, match="audio"):
                list(reader.audio_pieces())
            assert len(list(reader.audio_pieces(skip_damaged=True))) == 4
        if part == "meTa":
            assert reader.tags == {} and reader.problems
        assert reader.count_bytes().total == len(data)


def test_cut_at_every_length() -> None:
    spans = [entry.span for entry in INTACT.index.segments]
    for length in range(len(WHOLE)):
        cut = io.BytesIO(WHOLE[:length])
        if length < INTACT.count_bytes().header:
            with pytest.raises((FormatError, DamageError)):
                Reader(cut)
            continue
        reader = Reader(cut)
        assert reader.recovered and reader.problems
        assert readable(reader) == [number for number, span in enumerate(spans) if span and span.end <= length]
        assert not all(finding.ok for finding in reader.verify())
        assert reader.count_bytes().total == length


def test_a_file_without_an_end_is_read_whole() -> None:
    reader = Reader(io.BytesIO(build.file(end=False)))
    assert reader.recovered
    assert [(entry.pts, entry.frames, entry.leans) for entry in reader.index.segments] == [
        (entry.pts, entry.frames, entry.leans) for entry in INTACT.index.segments
    ]
    assert reader.index.end_pts == INTACT.index.end_pts
    assert list(reader.audio_pieces()) == list(INTACT.audio_pieces())
    assert reader.tags == INTACT.tags


def test_bytes_behind_the_end_do_not_matter_but_are_named() -> None:
    for tail in (b"\n", b"\0" * 512, WHOLE):
        reader = Reader(io.BytesIO(WHOLE + tail))
        assert reader.recovered and readable(reader) == [0, 1, 2, 3, 4]
        assert reader.index == INTACT.index


@pytest.mark.parametrize("lost", [1, 30, 200])
def test_lost_bytes_in_the_middle_with_the_index_at_hand(lost: int) -> None:
    span = INTACT.index.segments[2].span
    assert span
    data = WHOLE[: span.offset + 20] + WHOLE[span.offset + 20 + lost :]
    reader = Reader(io.BytesIO(data))
    assert reader.recovered
    good = readable(reader)
    assert {0, 1, 4} <= set(good) and 2 not in good
    for entry, whole in zip(reader.index.segments, INTACT.index.segments, strict=True):
        assert (entry.pts, entry.frames, entry.leans) == (whole.pts, whole.frames, whole.leans)
    assert any(finding.segment == 2 for finding in reader.verify() if not finding.ok)


def test_inserted_bytes_in_the_middle() -> None:
    span = INTACT.index.segments[2].span
    assert span
    for place in (span.offset, span.offset + 30):
        reader = Reader(io.BytesIO(WHOLE[:place] + b"SEGM inserted" + WHOLE[place:]))
        assert readable(reader) == [number for number in range(5) if number != 2 or place == span.offset]


def test_missing_segments_without_an_index_are_estimated() -> None:
    data = build.file(5, end=False)
    first, third = INTACT.index.segments[0].span, INTACT.index.segments[2].span
    assert first and third
    without = data[: first.offset] + data[first.end : third.offset] + b"x" * 50 + data[third.end :]
    reader = Reader(io.BytesIO(without))
    assert readable(reader) == [1, 3, 4]
    estimated = [(entry.pts, entry.frames, entry.leans) for entry in reader.index.segments]
    assert estimated == [(entry.pts, entry.frames, entry.leans) for entry in INTACT.index.segments]
    with pytest.raises(DamageError, match="missing") as caught:
        reader.segment(2)
    assert caught.value.segment == 2


def test_time_is_in_the_message() -> None:
    data = bytearray(WHOLE)
    span = INTACT.index.segments[1].span
    assert span
    data[span.offset + 30] ^= 1
    with pytest.raises(DamageError, match=r"clip\.vtc: segment 1 \(0\.53 s to 1\.07 s\) is damaged"):
        Reader(io.BytesIO(data), "clip.vtc").segment(1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b"\r\n", b"\n"),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"\r", b"\n"),
        lambda data: bytes(byte & 0x7F for byte in data),
        lambda data: data.decode("latin-1").encode("utf-8"),
        lambda data: data.decode("utf-8", errors="replace").encode("utf-8"),
    ],
    ids=["unix", "dos", "mac", "seven bits", "latin-1 as utf-8", "replaced"],
)
def test_text_mode_is_recognised(damage: object) -> None:
    with pytest.raises(FormatError, match=r"text mode.*binary"):
        Reader(io.BytesIO(damage(WHOLE)))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (SIGNATURE[:5], "ends after 5 bytes"),
        (b"\0\0\0\x20ftypisom\0\0\0\0", "MP4"),
        (b"\x1a\x45\xdf\xa3" + b"x" * 30, "Matroska"),
        (b"hello, this is a text", "not a .vtc file"),
    ],
)
def test_other_files_are_named(data: bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        Reader(io.BytesIO(data))


def test_random_bytes_raise_nothing_else() -> None:
    chance = random.Random(1)
    for round in range(1500):
        data = bytearray(WHOLE if round % 3 else SIGNATURE + chance.randbytes(chance.randrange(300)))
        for _ in range(chance.randrange(1, 12)):
            at, length = chance.randrange(8, len(data) + 1), chance.randrange(1, 40)
            data[at : at + length] = chance.randbytes(chance.randrange(40))
        try:
            reader = Reader(io.BytesIO(data))
            readable(reader)
            list(reader.audio_pieces(skip_damaged=True))
            assert reader.verify()
            assert reader.count_bytes().total == len(data)
        except VtcError:
            pass


def test_unknown_chunks() -> None:
    head = INTACT.count_bytes().header
    skipped = Reader(io.BytesIO(WHOLE[:head] + pack_chunk(b"niCe", b"to have") + WHOLE[head:]))
    assert readable(skipped) == [0, 1, 2, 3, 4]
    with pytest.raises(FormatError, match=r"'MUST'.*upgrade"):
        Reader(io.BytesIO(WHOLE[:head] + pack_chunk(b"MUST", b"be known") + WHOLE[head:]))
