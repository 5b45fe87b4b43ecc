"""A smaller `.vtc` file out of a `.vtc` file: the 1D latents of every segment are cut at the tail; no picture is decoded.

All other streams, the audio, timestamps and tags stay as they are, byte for byte.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from vtc.codec.model import Model, load_model
from vtc.codec.options import EncodeOptions, check_cut
from vtc.codec.output import staged
from vtc.codec.result import EncodeResult, Progress, Tally
from vtc.codec.streams import Symbols
from vtc.codec.symbols import label
from vtc.codec.weights import find_identity
from vtc.container import Reader, Segment, Writer, open_reader
from vtc.errors import DamageError, UsageError


def truncate(
    source: str | Path, output: str | Path, options: EncodeOptions, overwrite: bool, progress: Progress | None
) -> EncodeResult:
    """Cut the 1D latents of every segment of the file `source` to `options.length` times what they are, or to at most `options.tokens` a
    tile, and write that to `output`. At effort 0 the result is that of an encode with this length, byte for byte.

    Raises a `VtcError`: FormatError, DamageError, BundleError, OutputError or UsageError.
    """
    check_cut(source, options)
    with ExitStack() as stack:
        reader = stack.enter_context(open_reader(source))
        if reader.problems:
            raise DamageError(reader.problems[0], "copy the file again; a damaged one is not cut")
        model = load_model(find_identity(reader.header.bundle, reader.header.model), options.device, options.threads)
        file = stack.enter_context(staged(output, overwrite))
        began = time.perf_counter()
        tally, writer = Tally(), Writer(file)
        writer.write_header(reader.header)
        writer.write_meta(reader.tags)
        for part in _parts(reader, model, options):
            if isinstance(part, bytes):
                writer.write_audio(part)
                continue
            writer.write_segment(part)
            tally.add(part)
            if progress is not None:
                progress(tally.frames, writer.bytes_written)
        writer.close()
    return tally.result(reader.header, writer.count, reader.header.quality, time.perf_counter() - began, ())


def _parts(reader: Reader, model: Model, options: EncodeOptions) -> Iterator[Segment | bytes]:
    """Segments cut, and pieces of sound as they are, in the order of the file."""
    cut = _Cut(reader, model, options)
    pieces = reader.audio_pieces()
    places = [(entry.span.offset, entry.number) for entry in reader.index.segments if entry.span is not None]
    places += [(span.offset, -1) for span in reader.index.audio]
    for _, number in sorted(places):
        yield next(pieces) if number < 0 else cut.segment(reader.segment(number))


class _Cut:
    """Cuts one segment after the other."""

    def __init__(self, reader: Reader, model: Model, options: EncodeOptions) -> None:
        self.reader, self.coder, self.options = reader, model.coder, options
        self.geometry = model.geometry(reader.header.width, reader.header.height)
        self.names = {stream.name for stream in model.tokenizer.streams if stream.cut}
        if not self.names:
            raise UsageError(f"{model.name} has no latents of variable length to cut", "encode the video at another --quality")
        self.before: Symbols | None = None
        self.cut_before: Symbols | None = None

    def segment(self, segment: Segment) -> Segment:
        """The segment with its tails cut and all else untouched."""
        if not segment.leans:
            self.before = self.cut_before = None
        symbols = self.coder.decode(segment, self.geometry, self.before, label(self.reader, segment.number))
        less = self._cut(symbols)
        coded = list(segment.streams)
        for place, data in enumerate(coded):
            if self.coder.streams[data.id].name in self.names:
                coded[place] = self.coder.encode_stream(data.id, less, self.geometry, self.cut_before, segment.step)
        self.before, self.cut_before = symbols, less
        return replace(segment, streams=tuple(coded), symbols_crc=self.coder.checksum(less))

    def _cut(self, symbols: Symbols) -> Symbols:
        arrays, lengths = dict(symbols.arrays), dict(symbols.lengths)
        for name in self.names:
            lengths[name] = tuple(self._shorter(length) for length in lengths[name])
            kept = np.arange(arrays[name].shape[1]) < np.asarray(lengths[name])[:, None]
            arrays[name] = arrays[name] * kept[..., None]
        return Symbols(arrays, lengths)

    def _shorter(self, length: int) -> int:
        """As an encode would have kept them: rounded half to even."""
        return round(length * self.options.length) if self.options.tokens is None else min(length, self.options.tokens)
