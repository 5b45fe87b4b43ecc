"""Whole files: written to anything, read back in any order, every byte accounted for."""

import io
import os
import sys
import threading
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtc.container import Header, Reader, Segment, Writer, open_reader
from vtc.errors import FormatError, OutputError

from . import build


@given(st.data(), build.headers())
@settings(deadline=None, max_examples=60)
def test_everything_comes_back(data: st.DataObject, header: Header) -> None:
    out = io.BytesIO()
    segments: list[Segment] = []
    audio: list[bytes] = []
    tags = data.draw(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
    first = data.draw(st.integers(-(2**50), 2**50))
    with Writer(out) as writer:
        writer.write_header(header)
        writer.write_meta(tags)
        for _ in range(data.draw(st.integers(0, 5))):
            segment = data.draw(build.segments(number=len(segments), first=first))
            if segment.frames > header.clip_frames:
                continue
            first = segment.end_pts + 1
            segments.append(segment)
            writer.write_segment(segment)
            if header.audio:
                audio.append(data.draw(st.binary(max_size=30)))
                writer.write_audio(audio[-1])
    reader = Reader(out)
    assert reader.header == header
    assert reader.tags == tags
    assert not reader.recovered and not reader.problems
    order = data.draw(st.permutations(range(len(segments))))
    assert [reader.segment(number) for number in order] == [segments[number] for number in order]
    assert b"".join(reader.audio_pieces()) == b"".join(audio)
    assert all(finding.ok for finding in reader.verify())
    assert sum(finding.span.length for finding in reader.verify()) == reader.size
    assert reader.count_bytes() == writer.count
    assert writer.count.total == writer.bytes_written == reader.size == len(out.getvalue())
    if segments:
        assert reader.duration == (segments[-1].end_pts - segments[0].pts[0]) * header.time_base


def test_overhead_of_a_single_segment() -> None:
    """Header, index, footer and all framing of a 16-frame file with three streams."""
    data = build.file(1, audio=False, tags={})
    payload = sum(len(stream.data) for stream in build.segment(0).streams)
    assert len(data) - payload <= 155


def test_index_finds_times_and_groups() -> None:
    reader = Reader(io.BytesIO(build.file(7)))
    index = reader.index
    assert index.frames == 6 * 16 + 7 and index.end_pts == (6 * 16 + 7) * 512
    assert reader.duration == Fraction(103, 30)
    assert [index.at(pts) for pts in (-5, 0, 511, 16 * 512 - 1, 16 * 512, 10**9)] == [0, 0, 0, 0, 1, 6]
    assert [index.group_start(number) for number in range(7)] == [0, 0, 0, 3, 3, 3, 6]
    assert [index.end_of(number) for number in (0, 6)] == [16 * 512, 103 * 512]
    with pytest.raises(IndexError):
        reader.segment(7)
    with pytest.raises(IndexError):
        reader.segment(-1)


def test_same_input_same_bytes() -> None:
    assert build.file() == build.file()


def test_written_to_a_pipe_and_read_from_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe cannot seek, and an unbuffered one takes what it likes."""
    expected = build.file(40, tags={})
    read_end, write_end = os.pipe()

    def produce() -> None:
        with open(write_end, "wb", buffering=0) as pipe, Writer(pipe) as writer:
            writer.write_header(build.header(audio=True))
            for number in range(40):
                writer.write_segment(build.segment(number, 16 if number < 39 else 7))
                writer.write_audio(b"sound%d" % number)

    thread = threading.Thread(target=produce)
    thread.start()
    with open(read_end, "rb") as pipe:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
        with open_reader("-") as reader:
            thread.join()
            assert reader.size == len(expected)
            assert reader.segment(39) == build.segment(39, 7)
            assert not reader.recovered


class Grudging(io.RawIOBase):
    """Takes three bytes at a time."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)[:3]  # type: ignore[call-overload]
        self.data += part
        return len(part)


def test_partial_writes_are_continued() -> None:
    out = Grudging()
    with Writer(out) as writer:  # type: ignore[arg-type]
        writer.write_header(build.header())
        writer.write_segment(build.segment(0))
    reader = Reader(io.BytesIO(bytes(out.data)))
    assert reader.segment(0) == build.segment(0)


def test_a_full_disk_is_an_error_for_people() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OutputError, match="No space left"):
        Writer(full).write_header(build.header())


def test_a_failed_block_leaves_no_end() -> None:
    out = io.BytesIO()
    with pytest.raises(RuntimeError), Writer(out) as writer:
        writer.write_header(build.header())
        writer.write_segment(build.segment(0))
        raise RuntimeError("interrupted")
    assert Reader(out).recovered


def test_large_audio_is_split() -> None:
    data = os.urandom(3 * 2**20 + 5)
    out = io.BytesIO()
    with Writer(out) as writer:
        writer.write_header(build.header(audio=True))
        writer.write_audio(data)
        writer.write_audio(b"")
    pieces = list(Reader(out).audio_pieces())
    assert b"".join(pieces) == data and len(pieces) == 4


def test_wrong_use_of_the_writer() -> None:
    writer = Writer(io.BytesIO())
    with pytest.raises(ValueError, match="header"):
        writer.write_segment(build.segment(0))
    writer.write_header(build.header())
    for wrong in (
        lambda: writer.write_header(build.header()),
        lambda: writer.write_segment(build.segment(1)),
        lambda: writer.write_segment(build.segment(0, 17)),
        lambda: writer.write_audio(b"sound"),
    ):
        with pytest.raises(ValueError):
            wrong()
    writer.write_segment(build.segment(0))
    with pytest.raises(ValueError, match="before"):
        writer.write_segment(Segment(1, False, (3,), 1, 1.0, (), 0))
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write_segment(build.segment(1))


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.vtc", tmp_path):
        with pytest.raises(FormatError, match="cannot be read"), open_reader(path):
            pass


def test_one_reader_serves_many_threads(tmp_path: Path) -> None:
    path = tmp_path / "clip.vtc"
    path.write_bytes(build.file(20))
    wrong: list[int] = []
    with open_reader(path) as reader:

        def work(offset: int) -> None:
            for at in range(200):
                number = (at * 7 + offset) % 19
                if reader.segment(number) != build.segment(number):
                    wrong.append(number)

        threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_reading_needs_no_other_room() -> None:
    """The container works where torch, av and numpy are not installed."""
    import subprocess

    program = "import sys, vtc.container; sys.exit(any(name in sys.modules for name in ('torch', 'av', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


