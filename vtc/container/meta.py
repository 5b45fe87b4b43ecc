"""The `meTa` chunk: descriptive tags of the source (title, date, …) as zstandard-compressed JSON."""

import io
import json
from collections.abc import Mapping

import zstandard

from vtc.container.varint import Malformed

MAX_JSON = 1 << 16
"""Bytes of JSON that a file may hold; tags beyond it are left out at writing and refused at reading."""

_LEVEL = 19
_MAX_WINDOW = 1 << 20


def pack_meta(tags: Mapping[str, str]) -> tuple[bytes, list[str]]:
    """The payload of the `meTa` chunk, and the names of the tags that did not fit. Tags are sorted by name."""
    kept: dict[str, str] = {}
    left_out: list[str] = []
    size = 2
    for name in sorted(tags):
        # A lone surrogate cannot be written as UTF-8; the escapes of json keep it, and the file stays ASCII inside.
        size += len(json.dumps({name: tags[name]}))
        if size > MAX_JSON:
            left_out.append(name)
            size -= len(json.dumps({name: tags[name]}))
        else:
            kept[name] = tags[name]
    text = json.dumps(kept, separators=(",", ":")).encode("ascii")
    return zstandard.ZstdCompressor(level=_LEVEL).compress(text), left_out


def parse_meta(payload: bytes) -> dict[str, str]:
    """The tags in a `meTa` payload. Raises `ValueError` beyond `MAX_JSON` or when they are no flat table of texts."""
    try:
        # Reading as a stream: one-shot decompression would allocate whatever size the frame claims.
        stream = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(io.BytesIO(payload))
        text = stream.read(MAX_JSON + 1)
        if len(text) > MAX_JSON:
            raise Malformed("the tags are larger than the limit")
        tags = json.loads(text)
    except (zstandard.ZstdError, RecursionError) as error:
        raise Malformed(f"the tags cannot be unpacked: {error}") from error
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise Malformed("the tags are not a table of names and texts")
    return tags
