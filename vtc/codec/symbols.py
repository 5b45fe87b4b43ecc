"""Symbols to the bytes of a segment's streams, and back: each stream by its smallest entropy profile, all under one checksum."""

from collections.abc import Mapping

import numpy as np

from vtc.codec.streams import SIDE_OF, Geometry, StreamInfo, Symbols
from vtc.container import Segment, StreamData
from vtc.entropy import StaticModel, StreamSpec, decode_packed, encode_packed, symbols_crc
from vtc.errors import BundleError, DamageError

PACKED, STATIC = 0, 1


class SymbolCoder:
    """The entropy models of a bundle's streams. `before`, where it is asked for, are the symbols of the segment that this one leans on."""

    def __init__(self, streams: tuple[StreamInfo, ...], tables: Mapping[str, np.ndarray]) -> None:
        """`tables` by "stream.array", as in the bundle; a stream without tables is always packed."""
        self.streams = streams
        self.specs: dict[str, StreamSpec] = {}
        self.models: dict[str, StaticModel] = {}
        for stream in streams:
            own = {key.partition(".")[2]: array for key, array in tables.items() if key.partition(".")[0] == stream.name}
            sides, classes = own["symbol_rows"].shape[:2] if "symbol_rows" in own else (1, 1)
            if stream.kind == "sequence":
                sides, classes = 1, 1
            try:
                spec = StreamSpec(stream.name, stream.channels, stream.bound, stream.kind, classes, sides)
                self.specs[stream.name] = spec
                if own:
                    self.models[stream.name] = StaticModel.from_arrays(spec, own)
            except (ValueError, IndexError) as problem:
                raise BundleError(f"the entropy tables of stream {stream.name} do not fit together") from problem

    def encode(
        self, symbols: Symbols, geometry: Geometry, before: Symbols | None, entropy: str = "auto"
    ) -> tuple[tuple[StreamData, ...], int]:
        """The streams of a segment and the checksum of its symbols. `entropy`: auto (the smallest), packed or static."""
        coded = []
        for number, stream in enumerate(self.streams):
            data, profile = self._encode(stream, symbols, before, entropy)
            counts = geometry.counts(stream, symbols.lengths.get(stream.name, ()))
            coded.append(StreamData(number, profile, counts, data))
        return tuple(coded), self.checksum(symbols)

    def decode(self, segment: Segment, geometry: Geometry, before: Symbols | None, name: str = "") -> Symbols:
        """The symbols of a segment. DamageError, with the segment's number and `name`, when they are not those that were coded."""
        name = name or f"segment {segment.number}"
        by_id = {stream.id: stream for stream in segment.streams}
        if sorted(by_id) != list(range(len(self.streams))):
            raise DamageError(f"{name} does not have the streams of its bundle", segment=segment.number)
        symbols = Symbols({}, {})
        try:
            for number, stream in enumerate(self.streams):
                data = by_id[number]
                geometry.check(stream, data.counts, segment.number)
                if stream.kind == "sequence":
                    symbols.lengths[stream.name] = data.counts
                symbols.arrays[stream.name] = self._decode(stream, data, geometry, symbols, before)
        except DamageError as problem:
            raise DamageError(f"{name}: {problem.message}", problem.hint, segment.number) from problem
        if self.checksum(symbols) != segment.symbols_crc:
            raise DamageError(
                f"{name}: its symbols are not those that were coded", "decode with --on-damage skip", segment.number
            )
        return symbols

    def checksum(self, symbols: Symbols) -> int:
        """CRC-32 of all kept symbols in stream order."""
        return symbols_crc(symbols.kept(stream.name) for stream in self.streams)

    def _encode(self, stream: StreamInfo, symbols: Symbols, before: Symbols | None, entropy: str) -> tuple[bytes, int]:
        model = self.models.get(stream.name)
        array = symbols.arrays[stream.name]
        if model is not None and entropy != "packed":
            if stream.kind == "sequence":
                static = model.encode_sequence(array, symbols.lengths[stream.name])
            else:
                static = model.encode(array, self._side(stream, symbols), _last_slice(stream, before))
            if entropy == "static" or len(static) <= _packed_bytes(stream, symbols):
                return static, STATIC
        return encode_packed(symbols.kept(stream.name), self.specs[stream.name]), PACKED

    def _decode(
        self, stream: StreamInfo, data: StreamData, geometry: Geometry, symbols: Symbols, before: Symbols | None
    ) -> np.ndarray:
        shape = geometry.shape(stream)
        model = self.models.get(stream.name)
        if data.profile == STATIC and model is not None:
            if stream.kind == "grid":
                return model.decode(data.data, shape[:3], self._side(stream, symbols), _last_slice(stream, before))
            kept = model.decode_sequence(data.data, data.counts)
            return np.pad(kept, ((0, 0), (0, shape[1] - kept.shape[1]), (0, 0)))
        if data.profile != PACKED:
            raise DamageError(f"the {stream.name} stream is coded in a way that this bundle does not know")
        if stream.kind == "grid":
            return decode_packed(data.data, shape, self.specs[stream.name])
        tokens = decode_packed(data.data, (sum(data.counts), stream.channels), self.specs[stream.name])
        array = np.zeros(shape, np.int32)
        array[np.arange(shape[1]) < np.asarray(data.counts)[:, None]] = tokens
        return array

    def _side(self, stream: StreamInfo, symbols: Symbols) -> np.ndarray | None:
        if self.specs[stream.name].sides == 1:
            return None
        side = symbols.arrays[SIDE_OF[stream.name]][..., 0]
        if side.min() < 0 or side.max() >= self.specs[stream.name].sides:
            raise DamageError("a token refers to what there is not")
        return side


def _last_slice(stream: StreamInfo, before: Symbols | None) -> np.ndarray | None:
    """What the first slice of a leaning segment is coded after; tiles have no such thing."""
    return before.arrays[stream.name][-1] if before is not None and stream.whole else None


def _packed_bytes(stream: StreamInfo, symbols: Symbols) -> int:
    bits = (2 * stream.bound).bit_length()
    return (symbols.kept(stream.name).size * bits + 7) // 8
