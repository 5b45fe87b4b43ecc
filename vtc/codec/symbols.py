"""Symbols to the bytes of a segment's streams, and back: each stream by its smallest entropy profile, all under one checksum.

What is written was decoded first: an encoder never trusts a profile that does not give the symbols back.
"""

from collections.abc import Mapping

import numpy as np

from vtc.codec.streams import SIDE_OF, Geometry, StreamInfo, Symbols
from vtc.container import PROFILES, Reader, Segment, StreamData
from vtc.entropy import ChangeModel, ContextModel, PackedModel, StaticModel, StreamSpec, VectorModel, symbols_crc
from vtc.entropy.surroundings import Past
from vtc.errors import BundleError, DamageError, OutputError, UsageError, VtcError
from vtc.tokenizers.steps import steps_of

EDGES = "step_edges"  # array of a bundle: from one such step to the next, a stream has tables of its own
LEARNED = "context_"  # begins the names of arrays of the context profile
PACKED, STATIC, CONTEXT, CHANGE = (PROFILES.index(name) for name in ("packed", "static", "context", "change"))

SAVED = 64
"""Bytes that a stream must be shorter by, for its segment to lean on the one before: it is lost with that one."""

Coder = PackedModel | StaticModel | VectorModel | ContextModel | ChangeModel


class SymbolCoder:
    """The entropy models of a bundle's streams. `before`, where it is asked for, are the symbols of the segment that this one leans on."""

    def __init__(self, streams: tuple[StreamInfo, ...], tables: Mapping[str, np.ndarray]) -> None:
        """`tables` by "stream.array", as in the bundle; a stream without tables is always packed."""
        self.streams = streams
        self.coders = [_coders(stream, tables) for stream in streams]
        self.edges = {stream.name: tables.get(f"{stream.name}.{EDGES}", np.zeros(0)) for stream in streams}

    def encode(
        self, symbols: Symbols, geometry: Geometry, before: Symbols | None, step: float, entropy: str = "auto"
    ) -> tuple[tuple[StreamData, ...], int]:
        """The streams of a segment quantised with `step`, and the checksum of its symbols. `entropy`: a profile's name, or auto (the
        smallest)."""
        numbers = range(len(self.streams))
        coded = tuple(self.encode_stream(number, symbols, geometry, before, step, entropy) for number in numbers)
        self._remember(symbols, before, step)
        return coded, self.checksum(symbols)

    def encode_stream(
        self,
        number: int,
        symbols: Symbols,
        geometry: Geometry,
        before: Symbols | None,
        step: float,
        entropy: str = "auto",
    ) -> StreamData:
        """One stream of a segment, by its `number`; the rest as for `encode`."""
        stream, coders = self.streams[number], self.coders[number]
        wanted = coders if entropy == "auto" else {p: c for p, c in coders.items() if PROFILES[p] == entropy}
        if entropy == "context" and not wanted and any(CONTEXT in others for others in self.coders):
            wanted = coders  # a bundle has context tables of the streams for which they pay
        if not wanted:
            raise UsageError(f"the bundle has no {entropy} tables for its {stream.name} stream", "use --entropy auto")
        counts = geometry.counts(stream, symbols.lengths.get(stream.name, ()))
        tabled = {p: c for p, c in wanted.items() if p not in (PACKED, CHANGE)}
        data = {p: self._encode(c, stream, symbols, before, step) for p, c in tabled.items()}
        packed = wanted.get(PACKED)
        if isinstance(packed, PackedModel) and all(
            len(d) > packed.size(symbols.kept(stream.name).size) for d in data.values()
        ):
            data[PACKED] = self._encode(packed, stream, symbols, before, step)
        if CHANGE in wanted and before is not None:
            change = self._encode(wanted[CHANGE], stream, symbols, before, step)
            if all(len(change) + SAVED <= len(d) for d in data.values()):
                data[CHANGE] = change
        for profile in sorted(data, key=lambda profile: len(data[profile])):
            coded = StreamData(number, profile, counts, data[profile])
            if self._proven(coded, geometry, symbols, before, step):
                return coded
        raise OutputError(
            f"what was coded of the {stream.name} stream does not decode to the same symbols", "use --entropy packed"
        )

    def decode(self, segment: Segment, geometry: Geometry, before: Symbols | None, name: str) -> Symbols:
        """The symbols of a segment. DamageError, with the segment's number and `name`, when they are not those that were coded."""
        by_id = {stream.id: stream for stream in segment.streams}
        symbols = Symbols({}, {})
        try:
            if sorted(by_id) != list(range(len(self.streams))):
                raise DamageError("it does not have the streams of its bundle")
            for number, stream in enumerate(self.streams):
                data = by_id[number]
                geometry.check(stream, data.counts)
                if stream.kind == "sequence":
                    symbols.lengths[stream.name] = data.counts
                coder = self.coders[number].get(data.profile)
                if coder is None:
                    raise DamageError(f"the bundle has no {PROFILES[data.profile]} tables for its {stream.name} stream")
                symbols.arrays[stream.name] = self._decode(coder, stream, data, geometry, symbols, before, segment.step)
            if self.checksum(symbols) != segment.symbols_crc:
                raise DamageError("its symbols are not those that were coded")
            self._remember(symbols, before, segment.step)
        except VtcError as problem:
            raise DamageError(f"{name} is damaged: {problem.message}", DAMAGED, segment.number) from problem
        return symbols

    def checksum(self, symbols: Symbols) -> int:
        """CRC-32 of all kept symbols in stream order."""
        return symbols_crc(symbols.kept(stream.name) for stream in self.streams)

    def _encode(self, coder: Coder, stream: StreamInfo, symbols: Symbols, before: Symbols | None, step: float) -> bytes:
        array = symbols.arrays[stream.name]
        if isinstance(coder, ChangeModel):
            assert before is not None
            return coder.encode(symbols.kept(stream.name), _at_same_places(stream, symbols, before))
        if isinstance(coder, ContextModel):
            return coder.encode(array, *self._known(coder, stream, symbols, before, step))
        if isinstance(coder, VectorModel):
            return coder.encode(array, _last_slice(stream, before))
        if stream.kind == "sequence":
            return coder.encode_sequence(
                array, symbols.lengths[stream.name], int(self._fineness(coder, stream, np.asarray(step)))
            )
        return coder.encode(array, self._side(coder, stream, array.shape, symbols, step), _last_slice(stream, before))

    def _decode(
        self,
        coder: Coder,
        stream: StreamInfo,
        data: StreamData,
        geometry: Geometry,
        symbols: Symbols,
        before: Symbols | None,
        step: float,
    ) -> np.ndarray:
        shape = geometry.shape(stream)
        if isinstance(coder, ChangeModel):
            return self._changed(coder, stream, data, shape, symbols, before)
        if isinstance(coder, ContextModel):
            return coder.decode(data.data, shape[:3], *self._known(coder, stream, symbols, before, step))
        if isinstance(coder, VectorModel):
            return coder.decode(data.data, shape[:3], _last_slice(stream, before))
        if stream.kind == "grid":
            return coder.decode(
                data.data, shape[:3], self._side(coder, stream, shape, symbols, step), _last_slice(stream, before)
            )
        kept = coder.decode_sequence(data.data, data.counts, int(self._fineness(coder, stream, np.asarray(step))))
        return np.pad(kept, ((0, 0), (0, shape[1] - kept.shape[1]), (0, 0)))

    def _changed(
        self,
        coder: ChangeModel,
        stream: StreamInfo,
        data: StreamData,
        shape: tuple[int, ...],
        symbols: Symbols,
        before: Symbols | None,
    ) -> np.ndarray:
        if before is None:
            raise DamageError(f"its {stream.name} stream tells changes, but it stands alone")
        kept = coder.decode(data.data, _at_same_places(stream, symbols, before))
        if stream.kind == "grid":
            return kept
        array = np.zeros(shape, np.int32)
        array[np.arange(shape[1]) < np.asarray(data.counts)[:, None]] = kept
        return array

    def _proven(
        self, coded: StreamData, geometry: Geometry, symbols: Symbols, before: Symbols | None, step: float
    ) -> bool:
        """Whether a stream decodes to the `symbols` it was made of."""
        stream = self.streams[coded.id]
        coder = self.coders[coded.id][coded.profile]
        try:
            decoded = self._decode(coder, stream, coded, geometry, symbols, before, step)
        except DamageError:
            return False
        return np.array_equal(decoded, symbols.arrays[stream.name])

    def _known(
        self, coder: ContextModel, stream: StreamInfo, symbols: Symbols, before: Symbols | None, step: float
    ) -> tuple[np.ndarray, np.ndarray, Past | None, np.ndarray]:
        """What a context model is told: side, vectors, what it remembers of the segment before, and the steps of the tokens."""
        motion, steps = symbols.arrays[SIDE_OF[stream.name]], steps_of(symbols.arrays["finer"][..., 0], step)
        side = motion[..., 0] + 2 * self._fineness(coder, stream, steps)
        return side, motion[..., 1:], None if before is None else before.memory[stream.name], steps

    def _remember(self, symbols: Symbols, before: Symbols | None, step: float) -> None:
        """Keep with the symbols what the segment behind them will need, whatever the profile of this one."""
        for stream, coders in zip(self.streams, self.coders, strict=True):
            coder = coders.get(CONTEXT)
            if isinstance(coder, ContextModel):
                known = self._known(coder, stream, symbols, before, step)
                symbols.memory[stream.name] = coder.follow(symbols.arrays[stream.name], *known)

    def _side(
        self, coder: Coder, stream: StreamInfo, shape: tuple[int, ...], symbols: Symbols, step: float
    ) -> np.ndarray | None:
        """What the tables of a grid `shape` depend on, known before it: whether a token refers to its context, and how fine the step is."""
        if coder.spec.sides == 1:
            return None
        if stream.name not in SIDE_OF:
            return np.full(shape[:3], self._fineness(coder, stream, np.asarray(step)))
        steps = steps_of(symbols.arrays["finer"][..., 0], step)
        return symbols.arrays[SIDE_OF[stream.name]][..., 0] + 2 * self._fineness(coder, stream, steps)

    def _fineness(self, coder: Coder, stream: StreamInfo, steps: np.ndarray) -> np.ndarray:
        """The tables that steps `[...]` ask for, where a stream has several."""
        edges = self.edges[stream.name] if coder.spec.sides > 1 else np.zeros(0)
        return (np.asarray(steps)[..., None] > edges).sum(-1)


DAMAGED = "`--on-damage skip` keeps what is whole; a new copy of the file may be intact"


def label(reader: Reader, number: int) -> str:
    """A segment for people: its number and time."""
    index, unit = reader.index, reader.header.time_base
    begin = float((index.segments[number].pts - index.segments[0].pts) * unit)
    end = float((index.end_of(number) - index.segments[0].pts) * unit)
    return f"segment {number} ({begin:.2f} s to {end:.2f} s)"


def _coders(stream: StreamInfo, tables: Mapping[str, np.ndarray]) -> dict[int, Coder]:
    """The entropy models that a stream has, by profile."""
    names = {key: key.removeprefix(f"{stream.name}.") for key in tables if key.startswith(f"{stream.name}.")}
    own = {name: tables[key] for key, name in names.items() if name != EDGES and not name.startswith(LEARNED)}
    learned = {name.removeprefix(LEARNED): tables[key] for key, name in names.items() if name.startswith(LEARNED)}
    rows = own.get("symbol_rows", np.zeros((1, 1, 0)))
    sides, classes = rows.shape[0], rows.shape[1] if stream.kind == "grid" else 1
    spec = StreamSpec(stream.name, stream.channels, stream.bound, stream.kind, classes, sides)
    coders: dict[int, Coder] = {PACKED: PackedModel(spec)}
    try:
        if own:
            coders[STATIC] = StaticModel.from_arrays(spec, own)
        if learned:
            coders[CONTEXT] = ContextModel(spec, learned) if stream.name in SIDE_OF else VectorModel(spec, learned)
    except (ValueError, IndexError) as problem:
        raise BundleError(f"the entropy tables of stream {stream.name} do not fit together") from problem
    if not stream.whole:  # the base layer has better means against what stays
        coders[CHANGE] = ChangeModel(spec)
    return coders


def _at_same_places(stream: StreamInfo, symbols: Symbols, before: Symbols) -> np.ndarray:
    """The tokens of the segment before at the places of those that are kept of this one; of `symbols` the lengths are known."""
    return Symbols(before.arrays, symbols.lengths).kept(stream.name)


def _last_slice(stream: StreamInfo, before: Symbols | None) -> np.ndarray | None:
    """What the first slice of a leaning segment is coded after; tiles have no such thing."""
    return before.arrays[stream.name][-1] if before is not None and stream.whole else None
