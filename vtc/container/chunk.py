"""The outermost layer of a file: signature, chunks and footer; and the file object behind them, read by position.

A chunk is type (4 ASCII letters), u32 payload length, payload, u32 crc32 of type and payload, all little-endian. The
case of the first letter has PNG's meaning: upper case is critical (a reader that does not know it must refuse the
file), lower case is ancillary (skipped when unknown).
"""

import os
import re
import threading
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from vtc.container.varint import Malformed
from vtc.errors import DamageError, FormatError

SIGNATURE = b"\x89VTC\r\n\x1a\n"
FOOTER_MARK = b"VTCE"
FOOTER_BYTES = 8
CHUNK_HEAD = 8
CHUNK_OVERHEAD = 12
MAX_PAYLOAD = 1 << 28
"""Bytes. Real payloads are far smaller; the limit keeps a hostile length from becoming an allocation."""

HEAD, SEGM, INDX, META, AUDIO = b"HEAD", b"SEGM", b"INDX", b"meTa", b"auDt"
KNOWN = (HEAD, SEGM, INDX, META, AUDIO)

_TYPE = re.compile(rb"[A-Za-z]{4}")
_OTHER_FILES = (
    (4, b"ftyp", "an MP4 video"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (0, b"RIFF", "an AVI video"),
    (0, b"YUV4MPEG2", "a y4m video"),
)


@dataclass(frozen=True)
class Chunk:
    """One whole chunk whose checksum agreed."""

    type: bytes
    payload: bytes

    @property
    def critical(self) -> bool:
        """Whether a reader that does not know this type must refuse the file."""
        return self.type[:1].isupper()


def pack_chunk(type: bytes, payload: bytes) -> bytes:
    """The bytes of a chunk, `len(payload) + 12` of them."""
    if not _TYPE.fullmatch(type) or len(payload) > MAX_PAYLOAD:
        raise ValueError(f"chunk {type!r} of {len(payload)} bytes cannot be written")
    crc = zlib.crc32(payload, zlib.crc32(type))
    return b"".join((type, len(payload).to_bytes(4, "little"), payload, crc.to_bytes(4, "little")))


def pack_footer(index_chunk_length: int) -> bytes:
    """The last 8 bytes of a file: length of the whole index chunk, then `VTCE`."""
    return index_chunk_length.to_bytes(4, "little") + FOOTER_MARK


class Source:
    """A seekable binary file, read by position. Safe to share between threads; `name` is for messages."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.name = name
        with self._lock:
            self.size = file.seek(0, os.SEEK_END)

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes from `offset`, or fewer where the file ends."""
        count = min(count, max(self.size - offset, 0))
        try:
            with self._lock:
                self._file.seek(offset)
                return self._file.read(count)
        except OSError as error:
            raise DamageError(f"{self.name} cannot be read at byte {offset}: {error.strerror or error}") from error

    def chunk(self, offset: int, length: int | None = None, *, end: int | None = None) -> Chunk:
        """The chunk at `offset`, checksum verified; with `length`, it must have that many bytes in all; it must end
        before `end`.

        Raises `Malformed` (what is wrong, without the place).
        """
        head = self.read(offset, CHUNK_HEAD)
        type, payload_length = head[:4], int.from_bytes(head[4:], "little")
        if len(head) < CHUNK_HEAD:
            raise Malformed("the file ends inside it")
        if not _TYPE.fullmatch(type):
            raise Malformed("its type is not four letters")
        if length is not None and length != payload_length + CHUNK_OVERHEAD:
            raise Malformed("its length differs from the one in the index")
        if payload_length > MAX_PAYLOAD:
            raise Malformed("its length is beyond the limit")
        if offset + payload_length + CHUNK_OVERHEAD > (self.size if end is None else end):
            raise Malformed("the file ends inside it")
        body = self.read(offset + CHUNK_HEAD, payload_length + 4)
        payload = body[:payload_length]
        if zlib.crc32(payload, zlib.crc32(type)) != int.from_bytes(body[payload_length:], "little"):
            raise Malformed("its checksum does not agree")
        return Chunk(type, payload)


def check_signature(source: Source) -> None:
    """Raise `FormatError` with a helpful sentence unless the file begins with the signature."""
    start = source.read(0, 16)
    if start.startswith(SIGNATURE):
        return
    if not start:
        raise FormatError(f"{source.name} is empty", "was the encode interrupted?")
    if len(start) < len(SIGNATURE) and SIGNATURE.startswith(start):
        raise FormatError(f"{source.name} ends after {len(start)} bytes", "copy the file again")
    if b"VTC" in start[:8]:
        raise FormatError(
            f"{source.name} was damaged in its first 8 bytes, as a transfer in text mode does it",
            "copy the original again, in binary mode",
        )
    for offset, mark, what in _OTHER_FILES:
        if start[offset:].startswith(mark):
            raise FormatError(f"{source.name} is {what}, not a .vtc file", "`vtc encode` makes one of it")
    raise FormatError(f"{source.name} is not a .vtc file", "`vtc encode` makes .vtc files from videos")


def refuse_unknown(source: Source, chunk: Chunk) -> None:
    """Raise `FormatError` if the chunk is critical and of a type that this version does not know."""
    if chunk.critical and chunk.type not in KNOWN:
        raise FormatError(
            f"{source.name} holds a part of type {chunk.type.decode()!r} that this version does not know", "upgrade vtc"
        )
