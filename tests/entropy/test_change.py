import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from vtc.entropy import ChangeModel, StreamSpec
from vtc.errors import DamageError

BOUNDS = (1, 31, 63, 64, 255, 4095)


@given(st.sampled_from(BOUNDS), st.integers(0, 40), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_symbols_come_back(bound: int, tokens: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, other = rng.integers(-bound, bound + 1, (2, tokens, 3))
    symbols = np.where(rng.random((tokens, 1)) < share, other, before)
    model = ChangeModel(StreamSpec("any", 3, bound, "sequence"))
    data = model.encode(symbols, before)
    assert np.array_equal(model.decode(data, before), symbols)
    assert (data == b"") == np.array_equal(symbols, before)


def test_large_streams_keep_to_the_window() -> None:
    symbols = np.random.default_rng(0).integers(-9, 10, (40000, 60))
    model = ChangeModel(StreamSpec("any", 60, 31, "sequence"))
    assert np.array_equal(model.decode(model.encode(symbols, 0 * symbols), 0 * symbols), symbols)


def test_little_that_changes_costs_little() -> None:
    before = np.random.default_rng(0).integers(-31, 32, (1, 16, 16, 24))
    symbols = before.copy()
    symbols[0, 3, 4, :5] = 0
    assert len(ChangeModel(StreamSpec("any", 24, 31)).encode(symbols, before)) < 64


def test_a_frame_of_any_zstandard_is_read_as_ever() -> None:
    """Differences -2, 0, 300: low bytes 3, 0, 88, then high bytes 0, 0, 2."""
    data = bytes.fromhex("28b52ffd0000310000030058000002")
    before = np.array([[1, 2, 3]])
    assert ChangeModel(StreamSpec("any", 3, 500, "sequence")).decode(data, before).tolist() == [[-1, 2, 303]]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"nonsense", "do not unpack"),
        (zstandard.compress(bytes(5)), "are not 6 symbols"),
        (zstandard.compress(bytes(7)), "are not 6 symbols"),
        (zstandard.compress(bytes(1 << 24)), "do not unpack"),
        (zstandard.compress(bytes([125, 0, 0, 0, 0, 0])), "out of range"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(data: bytes, complaint: str) -> None:
    with pytest.raises(DamageError, match=complaint):
        ChangeModel(StreamSpec("any", 3, 31, "sequence")).decode(data, np.zeros((2, 3), int))


@given(st.binary(max_size=60))
def test_any_bytes_make_symbols_or_a_clear_error(data: bytes) -> None:
    try:
        symbols = ChangeModel(StreamSpec("any", 3, 31, "sequence")).decode(data, np.zeros((2, 3), int))
    except DamageError:
        return
    assert symbols.shape == (2, 3) and abs(symbols).max() <= 31
