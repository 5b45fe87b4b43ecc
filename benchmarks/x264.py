"""x264 as an anchor: bytes and PSNR of pictures coded by it, by the protocol of the table that vtc is measured against.

Preset medium, constant rate factor, 8-bit 4:2:0 by vtc.media's careful conversion both ways. Bytes: the packets of an Annex B stream
without SEI (x264 writes its options there), with parameter sets; no container.
"""

import re
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from vtc.media import Colour
from vtc.media.convert import FromRgb, ToRgb

BT601 = Colour(primaries=6, transfer=6, matrix=6)
_START = re.compile(b"\x00\x00\x00?\x01")
_SEI = 6


def code(pictures: np.ndarray, crf: int, rate: float, every: int | None = None) -> tuple[int, list[np.ndarray]]:
    """Bytes, and the decoded pictures, of pictures uint8 [n, H, W, 3]; a key frame `every` so many frames (None: x264's default)."""
    height, width = pictures.shape[1:3]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate = Fraction(rate).limit_denominator(1001)
    encoder.time_base = 1 / encoder.framerate
    encoder.options = {"preset": "medium", "crf": str(crf)} | ({"g": str(every)} if every else {})
    encoder.thread_count, encoder.thread_type = 1, "FRAME"
    convert = FromRgb(width, height, "yuv420p", BT601)
    packets = []
    for number, picture in enumerate(pictures):
        frame = convert(picture)
        frame.pts, frame.time_base = number, encoder.time_base
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return sum(len(unit) for packet in packets for unit in units(bytes(packet)) if kind(unit) != _SEI), decoded(packets, width, height)


def decoded(packets: list[av.Packet], width: int, height: int) -> list[np.ndarray]:
    """The pictures of an H.264 stream, RGB uint8 [H, W, 3]."""
    decoder = av.CodecContext.create("h264", "r")
    convert = ToRgb(width, height, BT601, deep=False)
    return [convert(frame) for packet in [*packets, None] for frame in decoder.decode(packet)]


def units(stream: bytes) -> Iterator[bytes]:
    """The units of an Annex B stream, each with its start code."""
    starts = [match.start() for match in _START.finditer(stream)]
    for begin, end in zip(starts, [*starts[1:], len(stream)]):
        yield stream[begin:end]


def kind(unit: bytes) -> int:
    """The type of a unit with its start code."""
    return unit[unit.index(1) + 1] & 31
