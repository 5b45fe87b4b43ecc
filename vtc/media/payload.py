"""How many bytes of a file are coded pictures: its packets, without container and without units that tell only about the encoder.

H.264, H.265 and H.266 streams are made of NAL units, in a container each behind its length, in a bare stream behind start codes
(Annex B of the standards). SEI units, where x264 and x265 write their options, do not count. Parameter sets count once. Of other codecs
every byte of a packet counts.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from vtc.media.probe import open_container, video_stream

_START = re.compile(b"\x00\x00\x01")
_SEI = {"h264": {6}, "hevc": {39, 40}, "vvc": {23, 24}}
_PREFIX = 4
"""Bytes that a unit's length or start code takes."""


def payload_bytes(path: Path) -> int:
    """Bytes of the video in a file. Raises `MediaError`."""
    with open_container(path) as container:
        stream = video_stream(container, f"'{path}'")
        codec = stream.codec_context.codec.canonical_name
        packets = (bytes(packet) for packet in container.demux(stream) if packet.size)
        if codec not in _SEI:
            return sum(map(len, packets))
        extra = bytes(stream.codec_context.extradata or b"")
        length = length_size(extra, codec)
        total = sum(_PREFIX + len(unit) for unit in parameter_sets(extra, codec)) if length else 0
        for packet in packets:
            units = counted_units(packet, length) if length else annex_b_units(packet)
            total += sum(_PREFIX + len(unit) for unit in units if unit_type(unit, codec) not in _SEI[codec])
        return total


def unit_type(unit: bytes, codec: str) -> int:
    """The type of a NAL unit of h264, hevc or vvc."""
    if codec == "h264":
        return unit[0] & 31
    return unit[0] >> 1 & 63 if codec == "hevc" else unit[1] >> 3 & 31


def annex_b_units(stream: bytes) -> Iterator[bytes]:
    """The units between start codes of three or four bytes, which are left out."""
    starts = [match.end() for match in _START.finditer(stream)]
    for begin, end in zip(starts, [*(start - 3 for start in starts[1:]), len(stream)]):
        # A unit never ends with a zero byte: those belong to the next start code, or are padding.
        if unit := stream[begin:end].rstrip(b"\0"):
            yield unit


def counted_units(packet: bytes, length: int) -> Iterator[bytes]:
    """The units of a packet in which each stands behind its length, a number of `length` bytes."""
    at = 0
    while at + length <= len(packet):
        size = int.from_bytes(packet[at : at + length])
        yield packet[at + length : at + length + size]
        at += length + size


def length_size(extra: bytes, codec: str) -> int:
    """Bytes of a unit's length by a container's record of the codec (avcC, hvcC); 0 where the record is missing: Annex B."""
    if codec == "h264" and len(extra) > 6 and extra[0] == 1:
        return (extra[4] & 3) + 1
    if codec == "hevc" and len(extra) > 22 and extra[:3] != b"\0\0\1" and extra[:4] != b"\0\0\0\1":
        return (extra[21] & 3) + 1
    return 0


def parameter_sets(extra: bytes, codec: str) -> Iterator[bytes]:
    """The parameter sets in avcC or hvcC; x265 puts its SEI there too, which is left out."""
    # avcC: sequence sets behind their number (5 bits), picture sets behind theirs (8 bits). hvcC: groups, each with a type and a number.
    head, at, groups = (0, 5, 2) if codec == "h264" else (1, 23, extra[22])
    width = 1 if codec == "h264" else 2
    for group in range(groups):
        count = int.from_bytes(extra[at + head : at + head + width]) & (31 if codec == "h264" and group == 0 else 0xFFFF)
        at += head + width
        for _ in range(count):
            size = int.from_bytes(extra[at : at + 2])
            unit, at = extra[at + 2 : at + 2 + size], at + 2 + size
            if unit_type(unit, codec) not in _SEI[codec]:
                yield unit
