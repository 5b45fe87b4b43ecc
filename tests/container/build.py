"""Small files and random parts for the tests of the container."""

import hashlib
import io
from fractions import Fraction

from hypothesis import strategies as st

from vtc.container import ColourCodes, Header, Segment, StreamData, Writer
from vtc.container.header import MAX_AREA

BUNDLE = hashlib.sha256(b"a bundle").digest()


def header(**changes: object) -> Header:
    """A plain clip: 320x240, 30 frames a second, everything else as usual."""
    fields: dict[str, object] = {
        "model": "onedva-tiny",
        "bundle": BUNDLE,
        "width": 320,
        "height": 240,
        "source_width": 320,
        "source_height": 240,
        "time_base": Fraction(1, 15360),
        "frame_rate": Fraction(30),
        "group": 3,
    }
    return Header(**(fields | changes))  # type: ignore[arg-type]


def segment(number: int, frames: int = 16, *, group: int = 3, size: int = 40) -> Segment:
    """Segment `number` of a regular clip with three streams and `size` bytes of data in the largest."""
    first = number * 16 * 512
    streams = (
        StreamData(0, 0, (1200,), bytes([number % 256] * 5)),
        StreamData(1, 1, (1200,), bytes((number * 7 + at * 31) % 256 for at in range(size))),
        StreamData(2, 1, (32, 32, 32, 17), b"query"),
    )
    pts = tuple(range(first, first + frames * 512, 512))
    return Segment(number, number % group != 0, pts, 512, 12.5, streams, 1000 + number)


def file(segments: int = 5, *, audio: bool = True, tags: dict[str, str] | None = None, end: bool = True) -> bytes:
    """A whole file: tags, then segments with a piece of audio behind each; no index and footer if not `end`."""
    out = io.BytesIO()
    writer = Writer(out)
    writer.write_header(header(audio=audio))
    writer.write_meta({"title": "a clip"} if tags is None else tags)
    for number in range(segments):
        writer.write_segment(segment(number, 16 if number + 1 < segments else 7))
        if audio:
            writer.write_audio(b"sound%d" % number)
    if end:
        writer.close()
    return out.getvalue()


ratios = st.builds(Fraction, st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))
codes = st.integers(0, 255)
sides = st.tuples(st.integers(1, 2**14), st.integers(1, 2**14)).filter(lambda size: size[0] * size[1] <= MAX_AREA)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    """Any header that may be written."""
    width, height = draw(sides)
    source_width, source_height = draw(st.just((width, height)) | sides)
    return Header(
        model=draw(names),
        bundle=draw(st.binary(min_size=32, max_size=32)),
        width=width,
        height=height,
        source_width=source_width,
        source_height=source_height,
        time_base=draw(ratios),
        frame_rate=draw(ratios | st.just(Fraction(0))),
        sar=draw(ratios | st.just(Fraction(1))),
        colour=draw(st.builds(ColourCodes, codes, codes, codes, st.booleans(), st.booleans())),
        bit_depth=draw(st.integers(8, 16)),
        quality=draw(st.integers(0, 100)),
        clip_frames=draw(st.integers(1, 1024)),
        group=draw(st.integers(1, 2**16)),
        audio=draw(st.booleans()),
    )


stream_data = st.builds(
    StreamData,
    id=codes,
    profile=st.integers(0, 2),
    counts=st.lists(st.integers(0, 2000) | st.sampled_from((0, 64)), max_size=40).map(tuple),
    data=st.binary(max_size=60),
)
durations = st.one_of(
    st.lists(st.integers(1, 2**40), min_size=1, max_size=40),
    st.lists(st.sampled_from((33, 34)), min_size=1, max_size=64),
    st.builds(lambda value, repeats: [value] * repeats, st.integers(1, 10**6), st.integers(1, 1024)),
)


@st.composite
def segments(draw: st.DrawFn, number: int | None = None, first: int | None = None) -> Segment:
    """Any segment that may be written."""
    number = draw(st.integers(0, 2**32 - 1)) if number is None else number
    lengths = draw(durations)
    pts = [draw(st.integers(-(2**60), 2**60)) if first is None else first]
    for length in lengths[:-1]:
        pts.append(pts[-1] + length)
    return Segment(
        number=number,
        leans=number > 0 and draw(st.booleans()),
        pts=tuple(pts),
        last_duration=draw(st.sampled_from((lengths[-1], 0))),
        step=draw(st.floats(0, 1e6, width=32)),
        streams=tuple(draw(st.lists(stream_data, max_size=4, unique_by=lambda stream: stream.id))),
        symbols_crc=draw(st.integers(0, 2**32 - 1)),
    )
