import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtc.entropy import PackedModel, StaticModel, StreamSpec, fit_sequence, symbols_crc
from vtc.errors import DamageError, VtcError

from .samples import SEQUENCE, sequence


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10000), st.integers(0, 6), st.integers(0, 10))
def test_round_trip(sequence_model: StaticModel, seed: int, items: int, positions: int) -> None:
    symbols, lengths = sequence(seed, items, positions)
    for model in (sequence_model, PackedModel(SEQUENCE)):
        decoded = model.decode_sequence(model.encode_sequence(symbols, lengths), lengths)
        longest = int(lengths.max(initial=0))
        kept = np.arange(longest) < lengths[:, None]
        assert decoded.shape == (items, longest, SEQUENCE.channels)
        assert np.array_equal(decoded, np.where(kept[..., None], symbols[:, :longest], 0))


def test_only_kept_positions_cost(sequence_model: StaticModel) -> None:
    symbols, _ = sequence(1, 8)
    sizes = [len(sequence_model.encode_sequence(symbols, [n] * 8)) for n in range(11)]
    assert sizes[0] == 0 and sizes == sorted(sizes)
    packed = len(PackedModel(SEQUENCE).encode_sequence(symbols, [10] * 8))
    assert sizes[10] < 0.8 * packed


def test_arrays_keep_the_model(sequence_model: StaticModel) -> None:
    again = StaticModel.from_arrays(SEQUENCE, sequence_model.to_arrays())
    symbols, lengths = sequence(2)
    assert again.encode_sequence(symbols, lengths) == sequence_model.encode_sequence(symbols, lengths)
    bits, rows = again.bit_table()
    assert rows.shape == (1, 10, SEQUENCE.channels) and bits.shape[1] == SEQUENCE.alphabet


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=60), st.lists(st.integers(0, 10), max_size=6))
def test_any_bytes_give_symbols_or_damage(sequence_model: StaticModel, data: bytes, lengths: list[int]) -> None:
    for model in (sequence_model, PackedModel(SEQUENCE)):
        try:
            out = model.decode_sequence(data, lengths)
        except DamageError:
            continue
        assert out.shape == (len(lengths), max(lengths, default=0), SEQUENCE.channels)
        assert np.abs(out).max(initial=0) <= SEQUENCE.bound


def test_sides_have_tables_of_their_own() -> None:
    spec = StreamSpec("query", SEQUENCE.channels, SEQUENCE.bound, "sequence", sides=2)
    coarse, lengths = sequence(5, 200)
    fine = np.clip(3 * coarse, -spec.bound, spec.bound)
    model = fit_sequence(spec, 10, [(coarse, lengths, 0), (fine, lengths, 1)])
    assert StaticModel.from_arrays(spec, model.to_arrays()).symbol_rows.shape == (2, 10, spec.channels)
    sizes = {}
    for name, symbols in (("coarse", coarse), ("fine", fine)):
        for side in (0, 1):
            data = model.encode_sequence(symbols, lengths, side)
            assert np.array_equal(model.decode_sequence(data, lengths, side)[:, 0], symbols[:, 0] * (lengths > 0)[:, None])
            sizes[name, side] = len(data)
    assert sizes["coarse", 0] < sizes["coarse", 1] and sizes["fine", 1] < sizes["fine", 0]
    for side in (-1, 2):
        with pytest.raises(VtcError, match="side"):
            model.encode_sequence(coarse, lengths, side)


def test_misuse_is_an_error_for_people(sequence_model: StaticModel) -> None:
    symbols, lengths = sequence(3)
    calls = [
        lambda: sequence_model.decode_sequence(b"", [11]),
        lambda: sequence_model.decode_sequence(b"", [-1, 3]),
        lambda: PackedModel(SEQUENCE).decode_sequence(b"", [-1, 3]),
        lambda: PackedModel(SEQUENCE).decode_sequence(b"", [1 << 40]),
        lambda: sequence_model.encode_sequence(symbols, lengths[:-1]),
        lambda: sequence_model.encode_sequence(symbols[..., :2], lengths),
        lambda: sequence_model.encode_sequence(symbols[:, :2], [5] * len(symbols)),
        lambda: sequence_model.encode(symbols[None]),
        lambda: fit_sequence(SEQUENCE, 10, []),
        lambda: StaticModel.from_arrays(StreamSpec("q", 5, 7, "sequence"), sequence_model.to_arrays()),
    ]
    for call in calls:
        with pytest.raises(VtcError):
            call()


def test_the_checksum_is_of_the_values() -> None:
    symbols, _ = sequence(4)
    other = np.arange(-3, 3)
    wanted = zlib.crc32(symbols.astype("<i4").tobytes() + other.astype("<i4").tobytes())
    assert symbols_crc([symbols, other]) == wanted
    assert symbols_crc([np.asfortranarray(symbols.astype(np.int8)), other.astype(np.int64)]) == wanted
    assert symbols_crc([]) == 0
